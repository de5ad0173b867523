#!/usr/bin/env bash
# sseclient-py hands over half an event when the stream ends in the middle of it.
#
# Software: PyPI sseclient-py 1.9.0; control: httpx-sse 0.4.3 with httpx 0.28.1 on the same bytes.
# Expected: WHATWG HTML, "Interpreting an event stream": once the end of the file is reached, any pending
#   data must be discarded; if the file ends before the final blank line, the incomplete event is not dispatched.
# Seen: the lines that had come are delivered as a whole event. A document over two data lines arrives
#   without its second half, with the id of the whole: a reader that keeps the id never asks for it again.
# Output (2026-11-30):
#   httpx-sse:    [('1', 'ready')]
#   sseclient-py: [('1', 'ready'), ('2', '["sddc-a",')]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install sseclient-py==1.9.0 httpx-sse==0.4.3 httpx==0.28.1

"$work/venv/bin/python" - <<'PY'
import httpx
from httpx_sse import EventSource
from sseclient import SSEClient

# Event 2 has the data lines '["sddc-a",' and '"sddc-b"]'; the connection ends after the first.
stream = b'id: 1\ndata: ready\n\nid: 2\ndata: ["sddc-a",\n'
response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=stream)
control = [(event.id, event.data) for event in EventSource(response).iter_sse()]
print("httpx-sse:   ", control)
got = [(event.id, event.data) for event in SSEClient(iter([stream])).events()]
print("sseclient-py:", got)

assert control == [("1", "ready")], "the control has changed"
assert got == [("1", "ready"), ("2", '["sddc-a",')], "the behaviour has changed"
PY
