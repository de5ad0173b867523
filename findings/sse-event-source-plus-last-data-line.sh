#!/usr/bin/env bash
# event-source-plus keeps only the last of several data lines.
#
# Software: npm event-source-plus 0.1.15; control: the EventSource of npm undici 7.30.2 on the same stream.
# Expected: WHATWG HTML, "Interpreting an event stream": each data line is appended to the data buffer with a
#   line feed; the section's own example of a two-line message arrives as "YHOO\n+2\n10".
# Seen: each data line replaces the one before, so indented JSON sent over several lines arrives as "}".
# Output (2026-11-30):
#   undici: "{\n  \"hosts\": 4\n}"
#   event-source-plus: "}"
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund event-source-plus@0.1.15 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { EventSource } from 'undici';
import { EventSourcePlus } from 'event-source-plus';

const server = http.createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  response.write('data: {\ndata:   "hosts": 4\ndata: }\n\n');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

const right = await new Promise((take) => { new EventSource(url).onmessage = (event) => take(event.data); });
console.log('undici:', JSON.stringify(right));
const wrong = await new Promise((take) => {
  new EventSourcePlus(url).listen({ onMessage: (event) => take(event.data) });
});
console.log('event-source-plus:', JSON.stringify(wrong));

assert.deepStrictEqual(JSON.parse(right), { hosts: 4 }, 'the control has changed');
assert.strictEqual(wrong, '}', 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
