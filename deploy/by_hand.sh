#!/usr/bin/env bash
# What compose.yaml describes, started by hand on this machine and checked: two replicas, PostgreSQL, nginx. Needs
# Debian's postgresql and nginx, and a built catalog (make build/catalog.duckdb). Everything is stopped and removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v nginx >/dev/null || { echo "nginx is missing: apt-get install nginx-light"; exit 1; }
postgres=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -1) || { echo "PostgreSQL is missing: apt-get install postgresql"; exit 1; }
[ -f build/catalog.duckdb ] || { echo "no catalog: make build/catalog.duckdb"; exit 1; }
python=.venv/bin/python
place=$(mktemp -d); chmod 755 "$place"
processes=()
finish() {
  kill "${processes[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$place"
}
trap finish EXIT

as_owner() { if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi; }
free() { $python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
until_ready() { for _ in $(seq 300); do curl -sf "$1" >/dev/null && return; sleep 0.1; done; echo "$1 does not answer"; exit 1; }
holds() { if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "NOT: $1 ($2 instead of $3)"; exit 1; fi; }

database=$(free) first=$(free) second=$(free) proxy=$(free)
mkdir "$place/postgres"; [ "$(id -u)" = 0 ] && chown postgres "$place/postgres"
(cd / && as_owner "$postgres/initdb" -D "$place/postgres" -A trust -U modelpicker >/dev/null)
(cd / && exec setsid bash -c "$(declare -f as_owner); as_owner $postgres/postgres -D $place/postgres -p $database -c listen_addresses=127.0.0.1 -c unix_socket_directories=$place/postgres" 2>/dev/null) &
processes+=($!)
for _ in $(seq 100); do "$postgres/pg_isready" -q -h 127.0.0.1 -p "$database" && break; sleep 0.1; done

$python -m service --new-key by-hand > "$place/new"
key=$(sed -n 's/^the key, shown this once: //p' "$place/new")
sed -n 's/^its line for the file of MODELPICKER_KEYS: //p' "$place/new" > "$place/keys"
for replica in "$first" "$second"; do
  cp build/catalog.duckdb "$place/$replica.duckdb"
  MODELPICKER_LEDGER="postgresql://modelpicker@127.0.0.1:$database/postgres" MODELPICKER_KEYS="$place/keys" \
    MODELPICKER_CATALOG="$place/$replica.duckdb" MODELPICKER_TRUSTED_PROXIES=1 MODELPICKER_RATE_PER_ADDRESS=600 \
    $python -m service --port "$replica" >"$place/$replica.log" 2>&1 &
  processes+=($!)
done
sed -e "s/replica-1:8000/127.0.0.1:$first/; s/replica-2:8000/127.0.0.1:$second/; s/listen 8000/listen 127.0.0.1:$proxy/" \
  -e "1i daemon off; pid $place/nginx.pid; error_log $place/nginx.log;" -e "s#^http {#http { access_log off; client_body_temp_path $place/body; proxy_temp_path $place/proxy; fastcgi_temp_path $place/fastcgi; uwsgi_temp_path $place/uwsgi; scgi_temp_path $place/scgi;#" \
  deploy/nginx.conf > "$place/nginx.conf"
nginx -c "$place/nginx.conf" 2>"$place/nginx.log" &
processes+=($!)
until_ready "http://127.0.0.1:$first/health/ready"
until_ready "http://127.0.0.1:$second/health/ready"
until_ready "http://127.0.0.1:$proxy/health/ready"

url=http://127.0.0.1:$proxy
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
holds "a question through the proxy" "$(status "$url/recommend?min_tg=30")" 200
holds "metrics stay inside" "$(status "$url/metrics")" 404
row='{"model":"qwen3-14b","quant":"q8_0","engine":"llama.cpp","hardware":"dgx-spark","speculation":"none","concurrency":1,"isl":512,"osl":128,"decode_tok_s":14.2}'
send() { status -X POST "$url/measurements" -H "Authorization: Bearer $key" -H "Idempotency-Key: by-hand-$1" -H 'Content-Type: application/json' -d "{\"measurements\":[$row]}"; }
holds "a measurement through the proxy" "$(send 1)" 201
sleep 1
for replica in "$first" "$second"; do
  seen=$(curl -s "http://127.0.0.1:$replica/measurements?source=sent-by-hand" | grep -o '"id":"sent-[0-9a-f]*"' | wc -l)
  holds "replica $replica has seen it within a second" "$seen" 1
done
exec 3>&2 2>/dev/null  # the shell need not tell of what is killed on purpose
pkill -9 -f "service --port $first" || true
holds "a question with one replica dead" "$(status "$url/recommend?min_tg=31")" 200
holds "a measurement with one replica dead" "$(send 2)" 201
pkill -9 -f "$place/postgres" || true
sleep 1
exec 2>&3
holds "an answer with the database dead" "$(status "$url/recommend?min_tg=32")" 200
holds "a measurement with the database dead" "$(send 3)" 503
echo "all of it holds"
