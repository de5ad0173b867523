#!/usr/bin/env bash
# The Python client launchdarkly-eventsource ignores the server's retry time.
#
# Software: PyPI launchdarkly-eventsource 1.7.4; control: httpx-sse 0.4.3 with httpx 0.28.1 reads the same bytes.
# Expected: the class description of SSEClient: the base delay set by initial_retry_delay "can be overridden by the
#   stream if the server sends a retry: line"; and WHATWG HTML, "Interpreting an event stream", field retry.
# Seen: after "retry: 60000" the next delay is still the second that the program began with, so a server that is
#   overloaded or about to restart cannot spread its clients over a minute.
# Output (2026-11-30):
#   httpx-sse reads retry = 60000
#   launchdarkly-eventsource waits 0.2 s before it asks again (asked for: 60 s)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install launchdarkly-eventsource==1.7.4 httpx-sse==0.4.3 httpx==0.28.1

"$work/venv/bin/python" - <<'PY'
import http.server
import threading
import httpx
from httpx_sse import connect_sse
from ld_eventsource import SSEClient
from ld_eventsource.config import ErrorStrategy, RetryDelayStrategy

STREAM = b"retry: 60000\ndata: one\n\n"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(STREAM)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"

with httpx.Client() as client, connect_sse(client, "GET", url) as source:
    control = next(source.iter_sse()).retry
print("httpx-sse reads retry =", control)
assert control == 60000, "the control has changed"

# Without growth and jitter, so that only the base delay counts. The second event needs a second connection.
client = SSEClient(
    url,
    initial_retry_delay=0.2,
    retry_delay_strategy=RetryDelayStrategy.default(backoff_multiplier=1, jitter_multiplier=None),
    error_strategy=ErrorStrategy.always_continue(),
)
events = client.events
next(events)
next(events)
print("launchdarkly-eventsource waits", client.next_retry_delay, "s before it asks again (asked for: 60 s)")
assert client.next_retry_delay == 0.2, "the behaviour has changed"
client.close()
PY
