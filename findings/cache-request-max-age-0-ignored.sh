#!/usr/bin/env bash
# Two client caches answer "Cache-Control: max-age=0" from the cache without asking.
#
# Software: PyPI hishel 2.0.0 (rfc, not shared) with httpx 0.28.1, npm axios-cache-interceptor 1.12.3 with axios 1.21.1
#   (cacheTakeover: false); control: npm undici 7.30.2 (cache interceptor, private), and hishel with no-cache.
# Expected: RFC 9111, section 5.2.1.1: max-age in a request says that the client prefers an answer whose age is at most
#   that many seconds; max-age=0 is what the reload button of browsers sends.
# Seen: a "refresh" built this way does nothing until the stored answer is stale by itself. axios-cache-interceptor
#   ignores "no-cache" in the request too.
# Output (2026-11-30), questions for a read and a refresh:
#   axios-cache-interceptor max-age=0: 1, no-cache: 1
#   hishel max-age=0: 1, no-cache: 2
#   undici max-age=0: 2, no-cache: 2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund axios-cache-interceptor@1.12.3 axios@1.21.1 undici@7.30.2 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install hishel==2.0.0 httpx==0.28.1

cat >try.mjs <<'JS'
import axios from 'axios';
import { setupCache } from 'axios-cache-interceptor';
import { Agent, interceptors, request as ask } from 'undici';

const client = setupCache(axios.create(), { cacheTakeover: false });
const dispatcher = new Agent().compose(interceptors.cache({ type: 'private' }));
for (const wish of ['max-age=0', 'no-cache']) {
  for (const headers of [{}, { 'Cache-Control': wish }]) {
    await client.get(`${process.argv[2]}/axios-cache-interceptor/${wish}`, { headers });
    await (await ask(`${process.argv[2]}/undici/${wish}`, { headers, dispatcher })).body.text();
    await new Promise((done) => setTimeout(done, 1500));
  }
}
JS
cat >try.py <<'PY'
import collections
import http.server
import subprocess
import threading
import time
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheClient

count = collections.Counter()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        count[self.path] += 1
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=60")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
subprocess.run(["node", "try.mjs", address], check=True)
client = CacheClient(rfc=CacheOptions(shared=False), storage=SqliteStorage(database_path="hishel.db"))
for wish in ("max-age=0", "no-cache"):
    client.get(f"{address}/hishel/{wish}")
    time.sleep(1.5)
    client.get(f"{address}/hishel/{wish}", headers={"Cache-Control": wish})
for name, expected in {"axios-cache-interceptor": (1, 1), "hishel": (1, 2), "undici": (2, 2)}.items():
    seen = count[f"/{name}/max-age=0"], count[f"/{name}/no-cache"]
    print(f"{name} max-age=0: {seen[0]}, no-cache: {seen[1]}")
    assert seen == expected, f"changed: {name}"
PY
venv/bin/python try.py
