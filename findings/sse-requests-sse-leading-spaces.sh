#!/usr/bin/env bash
# requests-sse strips all spaces at the start of a data line, not one.
#
# Software: PyPI requests-sse 0.5.3 with requests 2.34.2; control: httpx-sse 0.4.3 with httpx 0.28.1.
# Expected: WHATWG HTML, "Interpreting an event stream": if the value starts with a space, remove that one
#   character. What follows is data: "data:  x" is " x".
# Seen: the indentation of text, YAML or log lines sent line by line is lost; a key of a mapping changes its parent.
# Output (2026-11-30):
#   httpx-sse:    'sddc:\n  state: READY'
#   requests-sse: 'sddc:\nstate: READY'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install requests-sse==0.5.3 requests==2.34.2 httpx-sse==0.4.3 httpx==0.28.1

"$work/venv/bin/python" - <<'PY'
import http.server
import threading
import httpx
from httpx_sse import connect_sse
from requests_sse import EventSource


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: sddc:\ndata:   state: READY\n\n")

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"

with httpx.Client() as client, connect_sse(client, "GET", url) as source:
    right = next(source.iter_sse()).data
print("httpx-sse:   ", repr(right))
with EventSource(url) as source:
    wrong = next(iter(source)).data
print("requests-sse:", repr(wrong))

assert right == "sddc:\n  state: READY", "the control has changed"
assert wrong == "sddc:\nstate: READY", "the behaviour has changed"
PY
