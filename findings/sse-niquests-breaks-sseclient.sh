#!/usr/bin/env bash
# Installing niquests beside sseclient makes sseclient lose events without an error.
#
# Software: PyPI niquests 3.21.2 (which brings urllib3-future 2.25.904), sseclient 0.0.27, requests 2.34.2,
#   urllib3 2.8.0; control: the same folder of packages before niquests.
# Expected: PyPI has niquests as a package of its own beside requests, and pip reports no conflict; so a program
#   that never imports niquests should not notice it.
# Seen: urllib3-future takes over the import name urllib3. requests then runs on it, the body's first bytes are read
#   ahead into its own buffer, and sseclient, which reads the connection itself, finds none: the event is lost.
# Output (2026-11-30):
#   before: urllib3 2.8.0, first event: one
#   after:  urllib3 2.25.904, first event: two
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip=$work/venv/bin/pip
"$pip" --quiet install sseclient==0.0.27 requests==2.34.2 urllib3==2.8.0

cat >"$work/try.py" <<'PY'
import contextlib
import http.server
import io
import threading
import urllib3
from sseclient import SSEClient


class Handler(http.server.BaseHTTPRequestHandler):
    count = 0

    def do_GET(self):
        # The head and the first event leave in one piece, as most servers send them. Whoever loses it asks
        # again, and then gets the second event after a pause.
        Handler.count += 1
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        if Handler.count == 1:
            self.wfile.write(head + b"data: one\n\n")
        else:
            self.wfile.write(head)
            self.wfile.flush()
            threading.Event().wait(1)
            self.wfile.write(b"data: two\n\n")
        self.close_connection = True

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
with contextlib.redirect_stdout(io.StringIO()):
    event = next(SSEClient(f"http://127.0.0.1:{server.server_port}/", retry=100))
print(f"urllib3 {urllib3.__version__}, first event: {event.data}")
PY
before=$("$work/venv/bin/python" "$work/try.py")
"$pip" --quiet install niquests==3.21.2 urllib3-future==2.25.904
after=$("$work/venv/bin/python" "$work/try.py")
echo "before: $before"
echo "after:  $after"
[ "$before" = "urllib3 2.8.0, first event: one" ] || { echo "the control has changed"; exit 1; }
[ "$after" = "urllib3 2.25.904, first event: two" ] || { echo "the behaviour has changed"; exit 1; }
