#!/usr/bin/env bash
# requests takes a 103 Early Hints for the answer, and says that it is ok.
#
# Software: PyPI requests 2.34.2 with urllib3 2.8.0, seen on Python 3.11.7; control: httpx 0.28.1 and aiohttp 3.14.5.
# Expected: RFC 9110, section 15.2: a client must be able to parse one or more 1xx answers before the final one, even if
#   it does not expect any; RFC 8297 has servers and CDNs send 103.
# Seen: only 100 is skipped. For 103 (and 102) the status is that of the interim answer, the body is empty, ok is True
#   and raise_for_status() passes; the real answer is thrown away.
# Output (2026-11-30), status, body and success of 103 followed by 200:
#   httpx: 200 'ready' True
#   aiohttp: 200 'ready' True
#   requests: 103 '' True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install requests==2.34.2 urllib3==2.8.0 httpx==0.28.1 aiohttp==3.14.5

"$work/venv/bin/python" - <<'PY'
import asyncio
import socketserver
import threading
import aiohttp
import httpx
import requests

ANSWER = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </sddcs?page=2>; rel=preload\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nready"
)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(ANSWER)


async def ask(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text(), response.ok


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/"
first, last = httpx.get(url), requests.get(url)
last.raise_for_status()
seen = {
    "httpx": (first.status_code, first.text, first.is_success),
    "aiohttp": asyncio.run(ask(url)),
    "requests": (last.status_code, last.text, last.ok),
}
for name, (status, body, success) in seen.items():
    print(f"{name}: {status} {body!r} {success}")
    expected = (103, "", True) if name == "requests" else (200, "ready", True)
    assert (status, body, success) == expected, f"changed: {name}"
PY
