#!/usr/bin/env bash
# Two event-stream clients hand a keep-alive comment to the application as an empty message.
#
# Software: npm @microsoft/fetch-event-source 2.0.1, PyPI sseclient 0.0.27 (with requests
#   2.34.2); control: the EventSource of npm undici 7.30.2.
# Expected: WHATWG HTML, "Interpreting an event stream": a line that begins with a colon is ignored, and a
#   block without data is not dispatched. The same section names such comments as the way to keep a
#   connection open.
# Seen: ": still here" and a blank line reach the handler as a message with empty data, so a handler that
#   parses each message as JSON throws at the first quiet quarter of a minute.
# Output (2026-11-30):
#   undici: ["one"]
#   fetch-event-source: ["","one"]
#   sseclient: ['', 'one']
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund @microsoft/fetch-event-source@2.0.1 undici@7.30.2 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install sseclient==0.0.27 requests==2.34.2

cat >try.py <<'PY'
import sys
from sseclient import SSEClient

messages = SSEClient(sys.argv[1])
got = [next(messages).data, next(messages).data]
print("sseclient:", got)
assert got == ["", "one"], "the behaviour has changed"
PY

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import { EventSource } from 'undici';
import { fetchEventSource } from '@microsoft/fetch-event-source';

const server = http.createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  response.write(': still here\n\ndata: one\n\n');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

// Collects the messages up to the real one.
async function collect(name, open) {
  const got = [];
  await new Promise((done) => open((event) => got.push(event.data) && event.data === 'one' && done()));
  console.log(`${name}: ${JSON.stringify(got)}`);
  return got;
}
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
globalThis.window = globalThis;

assert.deepStrictEqual(await collect('undici', (take) => { new EventSource(url).onmessage = take; }), ['one'], 'the control has changed');
assert.deepStrictEqual(
  await collect('fetch-event-source', (take) => fetchEventSource(url, { openWhenHidden: true, onmessage: take })), ['', 'one']);
process.stdout.write((await promisify(execFile)('venv/bin/python', ['try.py', url])).stdout);
process.exit(0);
JS
node --no-warnings try.mjs
