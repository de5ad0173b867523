#!/usr/bin/env bash
# Three client caches go on using an answer after the same client has changed the resource.
#
# Software: PyPI CacheControl 0.14.4, requests-cache 1.3.3 (cache_control=True), npm got 14.6.6; control: PyPI hishel 2.0.0
#   (rfc, not shared) with httpx 0.28.1.
# Expected: RFC 9111, section 4.4: a cache must invalidate the stored answers for the target of a request with an unsafe
#   method, such as POST, that was answered with a non-error status.
# Seen: the read after a successful POST to the same address still shows the state before it.
# Output (2026-11-30), state read before and after the change:
#   hishel: 1 then 2, CacheControl: 1 then 1, requests-cache: 1 then 1, got: 1 then 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund got@14.6.6 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install CacheControl==0.14.4 requests-cache==1.3.3 requests==2.34.2 hishel==2.0.0 httpx==0.28.1

cat >try.mjs <<'JS'
import got from 'got';
const [url, cache] = [process.argv[2], new Map()];
const before = await got(url, { cache }).text();
await got.post(url, { cache });
console.log(`${before} then ${await got(url, { cache }).text()}`);
JS
cat >try.py <<'PY'
import collections
import http.server
import subprocess
import threading
import requests
from cachecontrol import CacheControl
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheClient
from requests_cache import CachedSession

state = collections.defaultdict(lambda: 1)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=60")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(str(state[self.path]).encode())

    def do_POST(self):
        state[self.path] += 1
        self.answer(b"")

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
seen = {}
for name, client in {
    "hishel": CacheClient(rfc=CacheOptions(shared=False), storage=SqliteStorage(database_path="hishel.db")),
    "CacheControl": CacheControl(requests.Session()),
    "requests-cache": CachedSession(backend="memory", cache_control=True, ignored_parameters=[]),
}.items():
    before = client.get(f"{address}/{name}").text
    client.post(f"{address}/{name}")
    seen[name] = f"{before} then {client.get(f'{address}/{name}').text}"
seen["got"] = subprocess.run(["node", "try.mjs", f"{address}/got"], capture_output=True, text=True, check=True).stdout.strip()
for name, states in seen.items():
    print(f"{name}: {states}", end="\n" if name == "got" else ", ")
    assert states == ("1 then 2" if name == "hishel" else "1 then 1"), f"changed: {name}"
PY
venv/bin/python try.py
