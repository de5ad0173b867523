#!/usr/bin/env bash
# httpx-sse yields an event for a block that has only an id or a retry time.
#
# Software: PyPI httpx-sse 0.4.3 with httpx 0.28.1; control: a comment and a block with data in the same stream.
# Expected: WHATWG HTML, "Interpreting an event stream": if the data buffer is empty at the blank line, the
#   block sets the last event ID (or the reconnection time) and no event is dispatched. Servers use such
#   blocks to move a client's position on while nothing has happened for it.
# Seen: iter_sse() yields both as events of type "message" with empty data; event.json() raises on them.
# Output (2026-11-30):
#   ('message', '', '', 3000)
#   ('message', '', '41', None)
#   ('message', '{"a": 1}', '42', None)
#   json() of an event without data: JSONDecodeError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install httpx-sse==0.4.3 httpx==0.28.1

"$work/venv/bin/python" - <<'PY'
import httpx
from httpx_sse import EventSource

stream = b': comment\n\nretry: 3000\n\nid: 41\n\nid: 42\ndata: {"a": 1}\n\n'
response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=stream)
events = list(EventSource(response).iter_sse())
for event in events:
    print((event.event, event.data, event.id, event.retry))

assert events[-1].json() == {"a": 1} and events[-1].id == "42", "the control has changed"
try:
    events[0].json()
    raised = "nothing"
except ValueError as error:
    raised = type(error).__name__
print("json() of an event without data:", raised)

# The comment is skipped as it should be: two events too many, not three.
assert [event.data for event in events] == ["", "", '{"a": 1}'], "the behaviour has changed"
assert raised == "JSONDecodeError", "the behaviour has changed"
PY
