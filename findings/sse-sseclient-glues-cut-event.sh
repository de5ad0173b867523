#!/usr/bin/env bash
# sseclient glues the lines of a cut event to the first event after the reconnect.
#
# Software: PyPI sseclient 0.0.27 with requests 2.34.2; control: requests-sse 0.5.3 on the same server.
# Expected: WHATWG HTML, "Interpreting an event stream": once the end of the file is reached, any pending data must
#   be discarded. The package's own comment says that half a message is thrown out.
# Seen: only the last unfinished line is thrown out; whole lines before it stay in the buffer and become the
#   first lines of the next connection's first event, which then is two documents in one.
# Output (2026-11-30):
#   requests-sse: ['{"host": 1}', '{"host": 2}']
#   sseclient:    ['{"host": 1}', '{"host":\n{"host": 2}']
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install sseclient==0.0.27 requests-sse==0.5.3 requests==2.34.2

"$work/venv/bin/python" - <<'PY'
import contextlib
import datetime
import http.server
import io
import itertools
import threading
from requests_sse import EventSource
from sseclient import SSEClient

# Each client has a path of its own. The first answer ends within the second event.
ANSWERS = [b'data: {"host": 1}\n\ndata: {"host":\ndata:', b'data: {"host": 2}\n\n']
counts = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        turn = counts[self.path] = counts.get(self.path, 0) + 1
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(ANSWERS[min(turn, 2) - 1])

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"

with EventSource(url + "a", reconnection_time=datetime.timedelta(milliseconds=100)) as source:
    right = [event.data for event in itertools.islice(source, 2)]
print("requests-sse:", right)
with contextlib.redirect_stdout(io.StringIO()):  # the package prints a line at each reconnect
    wrong = [event.data for event in itertools.islice(SSEClient(url + "b", retry=100), 2)]
print("sseclient:   ", wrong)

assert right == ['{"host": 1}', '{"host": 2}'], "the control has changed"
assert wrong == ['{"host": 1}', '{"host":\n{"host": 2}'], "the behaviour has changed"
PY
