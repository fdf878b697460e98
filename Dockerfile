# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS build
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /uv && /uv/bin/pip install --quiet "uv>=0.9,<1"
COPY pyproject.toml uv.lock README.md ./
COPY clients clients
RUN /uv/bin/uv sync --frozen --no-dev --no-editable --all-packages --extra otel
COPY models_data models_data
COPY catalog catalog
COPY service service
RUN .venv/bin/python -m catalog check && .venv/bin/python -m catalog build --output /data/catalog.duckdb && .venv/bin/python -m compileall -q catalog service

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="modelpicker" org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=build /app /app
COPY --from=build --chown=10001:10001 /data /data
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 MODELPICKER_HOST=0.0.0.0 MODELPICKER_CATALOG=/data/catalog.duckdb
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
CMD ["python", "-m", "service"]
