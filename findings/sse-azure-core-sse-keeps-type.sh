#!/usr/bin/env bash
# @azure/core-sse gives an event the type of an earlier block that had no data.
#
# Software: npm @azure/core-sse 2.3.0; control: eventsource-parser 3.1.1 on the same bytes.
# Expected: WHATWG HTML, "Interpreting an event stream", steps of the blank line: if the data buffer is empty, the
#   data buffer and the event type buffer are set to the empty string. The next block starts clean.
# Seen: "event: ping" without data, a usual heartbeat, makes the following plain message a "ping".
# Output (2026-11-30):
#   eventsource-parser: [[null,"one"]]
#   @azure/core-sse: [["ping","one"]]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund @azure/core-sse@2.3.0 eventsource-parser@3.1.1 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import { createSseStream } from '@azure/core-sse';
import { createParser } from 'eventsource-parser';

const stream = 'event: ping\n\ndata: one\n\n';

const right = [];
createParser({ onEvent: (event) => right.push([event.event ?? null, event.data]) }).feed(stream);
console.log('eventsource-parser:', JSON.stringify(right));

const wrong = [];
for await (const event of createSseStream(new Blob([stream]).stream())) wrong.push([event.event, event.data]);
console.log('@azure/core-sse:', JSON.stringify(wrong));

assert.deepStrictEqual(right, [[null, 'one']], 'the control has changed');
assert.deepStrictEqual(wrong, [['ping', 'one']], 'the behaviour has changed');
JS
node --no-warnings try.mjs
