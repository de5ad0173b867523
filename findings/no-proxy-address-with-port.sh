#!/usr/bin/env bash
# requests and aiohttp send a request to the proxy although NO_PROXY names its address and port.
#
# Software: PyPI requests 2.34.2, aiohttp 3.14.5 (trust_env=True); control: httpx 0.28.1, Python's urllib, and the same
#   address without a port.
# Expected: the documentation of urllib.request on no_proxy, which both packages build on: entries may have ":port"
#   appended, as in "localhost:8080". requests itself honours it for a name.
# Seen: requests compares a numeric address with entries as a whole or as a range and never with its port; aiohttp
#   leaves the port out before it asks.
# Output (2026-11-30), NO_PROXY=127.0.0.2 / NO_PROXY=127.0.0.2:PORT:
#   urllib: direct / direct
#   httpx: direct / direct
#   requests: direct / proxy
#   aiohttp: direct / proxy
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --quiet install requests==2.34.2 httpx==0.28.1 aiohttp==3.14.5

cat >try.py <<'PY'
import asyncio
import http.server
import os
import threading
import urllib.request
import aiohttp
import httpx
import requests


def serve(word):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(word)))
            self.end_headers()
            self.wfile.write(word.encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


async def with_aiohttp(url):
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as response:
        return await response.text()


proxy, target = serve("proxy"), serve("direct")
url = f"http://127.0.0.2:{target}/"
clients = {
    "urllib": lambda: urllib.request.urlopen(url).read().decode(),
    "httpx": lambda: httpx.get(url).text,
    "requests": lambda: requests.get(url).text,
    "aiohttp": lambda: asyncio.run(with_aiohttp(url)),
}
expected = {"urllib": "direct", "httpx": "direct", "requests": "proxy", "aiohttp": "proxy"}
for name, ask in clients.items():
    seen = []
    for entry in ("127.0.0.2", f"127.0.0.2:{target}"):
        os.environ.update(http_proxy=f"http://127.0.0.1:{proxy}", no_proxy=entry)
        seen.append(ask())
    print(f"{name}: {' / '.join(seen)}")
    assert seen == ["direct", expected[name]], f"changed: {name}"
PY
env -u HTTP_PROXY -u NO_PROXY venv/bin/python try.py
