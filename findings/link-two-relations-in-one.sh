#!/usr/bin/env bash
# requests, httpx and aiohttp take two relations in one rel value for one relation with a space in its name.
#
# Software: PyPI requests 2.34.2, httpx 0.28.1, aiohttp 3.14.5; control: npm http-link-header 1.1.4.
# Expected: RFC 8288, section 3.3: the rel parameter is a space-separated list of relation types; several values make
#   several links with the same target.
# Seen: on the last page but one, where the next page is also the last, response.links has no "next" and a loop
#   over pages ends one page early.
# Output (2026-11-30), the relations of </sddcs?page=2>; rel="next last":
#   http-link-header: next, last
#   requests: ['next last']
#   httpx: ['next last']
#   aiohttp: ['next last']
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund http-link-header@1.1.4 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install requests==2.34.2 httpx==0.28.1 aiohttp==3.14.5

control=$(node -p 'require("http-link-header").parse("</sddcs?page=2>; rel=\"next last\"").refs.map((link) => link.rel).join(", ")')
echo "http-link-header: $control"
[ "$control" = "next, last" ] || { echo "the control has changed"; exit 1; }

venv/bin/python - <<'PY'
import asyncio
import http.server
import threading
import aiohttp
import httpx
import requests


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Link", '</sddcs?page=2>; rel="next last"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


async def ask(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return list(response.links)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
for name, seen in {
    "requests": list(requests.get(url).links),
    "httpx": list(httpx.get(url).links),
    "aiohttp": asyncio.run(ask(url)),
}.items():
    print(f"{name}: {seen}")
    assert seen == ["next last"], "the behaviour has changed"
PY
