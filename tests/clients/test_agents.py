"""The tools for agents, over stdio and HTTP, with the official package's own client."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, StdioServerParameters

from tests.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = ["-m", "modelpicker.cli"]


@pytest.fixture(scope="module")
def over_http(url: str) -> Iterator[str]:
    """The address of the tools over HTTP."""
    port = free_port()
    command = [sys.executable, *COMMAND, "--url", url, "mcp", "--transport", "http", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
        process.terminate()


@pytest.fixture(params=["stdio", "http"])
def server(request: pytest.FixtureRequest, url: str) -> Any:
    """What a client connects to."""
    if request.param == "http":
        return request.getfixturevalue("over_http")
    return StdioServerParameters(command=sys.executable, args=[*COMMAND, "--url", url, "mcp"], env=dict(os.environ))


def call(server: Any, name: str, **arguments: Any) -> Any:
    """What a tool answers, as JSON, or the error that it gives."""

    async def go() -> Any:
        async with Client(server) as client:
            return await client.call_tool(name, arguments)

    result = asyncio.run(go())
    text = result.content[0].text
    return text if result.is_error else json.loads(text)


def test_every_tool_explains_itself(server: Any) -> None:
    """Name, purpose, and a description of each argument."""

    async def go() -> Any:
        async with Client(server) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(go())}
    assert set(tools) == {"recommend", "predict", "compare", "why_not", "list_known"}
    for tool in tools.values():
        assert tool.description
        assert all("description" in field for field in tool.input_schema["properties"].values()), tool.name


def test_which_configs_give_30_tokens(server: Any) -> None:
    """With interval, basis, sources and the command."""
    answer = call(server, "recommend", min_tg=30, task="coding", limit=2)
    first = answer["recommendations"][0]
    assert first["decode_tok_s"]["low"] <= first["decode_tok_s"]["value"] <= first["decode_tok_s"]["high"]
    assert first["basis"] == "measured"
    assert first["sources"]
    assert first["launch"]


def test_why_not_70b_fp8(over_http: str) -> None:
    """The arithmetic and the measurement."""
    answer = call(over_http, "why_not", model="llama-3.1-70b-instruct", quant="fp8")
    first = answer["rejected"][0]
    assert first["reasons"][0]["code"] == "above_any_ceiling"
    assert first["measured"][0]["decode_tok_s"] == 2.7


def test_what_fits_and_what_235b_needs(over_http: str) -> None:
    """Long contexts for several users; one unit is not enough for 235B in NVFP4, two are."""
    fits = call(over_http, "recommend", context=65536, concurrency=4, limit=1)
    assert fits["recommendations"][0]["memory_gb"] < 101
    config = {"model": "qwen3-235b-a22b", "quant": "nvfp4", "engine": "trt-llm"}
    assert call(over_http, "predict", **config)["feasible"] is False
    assert call(over_http, "predict", units=2, **config)["feasible"] is True


def test_compare_and_list(over_http: str) -> None:
    """Ids for the other tools, and two configs side by side."""
    assert "gpt-oss-120b" in call(over_http, "list_known", kind="models", containing="oss")["models"]
    answer = call(over_http, "compare", configs=["gpt-oss-20b/mxfp4/llama.cpp", "gpt-oss-120b/mxfp4/llama.cpp"])
    assert "decodes fastest" in answer["summary"]


def test_a_wrong_name_is_a_sentence(over_http: str) -> None:
    """With the nearest known one."""
    assert "gpt-oss-120b" in call(over_http, "predict", model="gpt-oss-12b", quant="mxfp4", engine="llama.cpp")
