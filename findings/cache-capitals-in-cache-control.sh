#!/usr/bin/env bash
# Two libraries behind many client caches do not know Cache-Control directives that are written with capitals.
#
# Software: npm http-cache-semantics 4.3.0 (under got and make-fetch-happen), PyPI CacheControl 0.14.4 (under pip);
#   control: the same answer in small letters.
# Expected: RFC 9111, section 5.2: cache directives are identified by a token, to be compared case-insensitively.
# Seen: "Max-Age=60" counts as no lifetime at all, so each read is a question to the server.
# Output (2026-11-30):
#   http-cache-semantics: max-age=60 lasts 60 s, Max-Age=60 lasts 0 s
#   CacheControl: 1 question with max-age=60, 2 with Max-Age=60
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund http-cache-semantics@4.3.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install CacheControl==0.14.4 requests==2.34.2

cat >try.cjs <<'JS'
const assert = require('node:assert');
const CachePolicy = require('http-cache-semantics');

const [small, capital] = ['max-age=60', 'Max-Age=60'].map((value) => new CachePolicy(
  { method: 'GET', url: '/', headers: {} },
  { status: 200, headers: { date: new Date().toUTCString(), 'cache-control': value } },
  { shared: false }).timeToLive() / 1000);
console.log(`http-cache-semantics: max-age=60 lasts ${Math.round(small)} s, Max-Age=60 lasts ${capital} s`);
assert(small > 58 && small <= 60, 'the control has changed');
assert.strictEqual(capital, 0, 'the behaviour has changed');
JS
cat >try.py <<'PY'
import collections
import http.server
import threading
import requests
from cachecontrol import CacheControl

count = collections.Counter()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        count[self.path] += 1
        self.send_response(200)
        self.send_header("Cache-Control", self.path[1:])
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
session = CacheControl(requests.Session())
for directive in ("max-age=60", "Max-Age=60"):
    for _ in range(2):
        session.get(f"http://127.0.0.1:{server.server_port}/{directive}")
print(f"CacheControl: {count['/max-age=60']} question with max-age=60, {count['/Max-Age=60']} with Max-Age=60")
assert count["/max-age=60"] == 1, "the control has changed"
assert count["/Max-Age=60"] == 2, "the behaviour has changed"
PY
node try.cjs
venv/bin/python try.py
