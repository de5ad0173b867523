#!/usr/bin/env bash
# aiohttp-client-cache answers again and again from what the server marked no-cache, even when told to heed Cache-Control.
#
# Software: PyPI aiohttp-client-cache 0.15.0 (cache_control=True) with aiohttp 3.14.5; control: the same client with
#   no-store, and requests-cache 1.3.3, which it is based on, with no-cache.
# Expected: RFC 9111, section 5.2.2.4: an answer with no-cache must not be used for another request without asking the
#   server first. The package describes cache_control as using Cache-Control response headers.
# Seen: the first answer is used for ever. An API that sends "no-cache" with an ETag, the usual way to have clients
#   check each time, is never asked again.
# Output (2026-11-30), questions for two reads:
#   requests-cache no-cache: 2
#   aiohttp-client-cache no-store: 2
#   aiohttp-client-cache no-cache: 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install aiohttp-client-cache==0.15.0 aiohttp==3.14.5 requests-cache==1.3.3 requests==2.34.2

"$work/venv/bin/python" - <<'PY'
import asyncio
import collections
import http.server
import threading
from aiohttp_client_cache import CacheBackend, CachedSession
from requests_cache import CachedSession as RequestsSession

count = collections.Counter()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        count[self.path] += 1
        self.send_response(200)
        self.send_header("Cache-Control", self.path.split("/")[-1])
        self.send_header("ETag", 'W/"1"')
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"


async def read():
    async with CachedSession(cache=CacheBackend(cache_control=True)) as session:
        for directive in ("no-store", "no-cache"):
            for _ in range(2):
                async with session.get(f"{address}/aiohttp-client-cache/{directive}") as response:
                    await response.read()


control = RequestsSession(backend="memory", cache_control=True)
for _ in range(2):
    control.get(f"{address}/requests-cache/no-cache")
asyncio.run(read())
for path, expected in {"/requests-cache/no-cache": 2, "/aiohttp-client-cache/no-store": 2, "/aiohttp-client-cache/no-cache": 1}.items():
    print(path[1:].replace("/", " ") + ":", count[path])
    assert count[path] == expected, f"changed: {path}"
PY
