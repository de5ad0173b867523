#!/usr/bin/env bash
# Three event-stream clients go on asking after a server has told them with 204 to stop.
#
# Software: npm @microsoft/fetch-event-source 2.0.1, npm event-source-plus 0.1.15, PyPI sseclient 0.0.27 (with
#   requests 2.34.2); control: the EventSource of npm undici 7.30.2.
# Expected: WHATWG HTML, "Server-sent events", introduction: clients reconnect if the connection is closed; a
#   client can be told to stop reconnecting using the HTTP 204 No Content response code.
# Seen: all three ask again and again, until the program ends.
# Output (2026-11-30):
#   undici asked 2 times
#   fetch-event-source asked 5 times or more
#   event-source-plus asked 5 times or more
#   sseclient asked 5 times or more
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund @microsoft/fetch-event-source@2.0.1 event-source-plus@0.1.15 undici@7.30.2 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install sseclient==0.0.27 requests==2.34.2

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { EventSource } from 'undici';
import { EventSourcePlus } from 'event-source-plus';
import { fetchEventSource } from '@microsoft/fetch-event-source';

// One event, then the connection ends; from the second question on the answer is 204.
let asked = 0;
const server = http.createServer((request, response) => {
  if (++asked > 1) return response.writeHead(204).end();
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end('retry: 100\ndata: one\n\n');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

// Counts the questions up to five; a client that stops has to stay quiet for three seconds.
async function count(name, open) {
  asked = 0;
  const close = open();
  for (let i = 0; i < 600 && asked < 2; i++) await pause(100);
  for (let quiet = 0, last = asked; quiet < 30 && asked < 5; last = asked) {
    await pause(100);
    quiet = asked === last ? quiet + 1 : 0;
  }
  console.log(`${name} asked ${Math.min(asked, 5)} times${asked < 5 ? '' : ' or more'}`);
  close();
  await pause(500);
  return asked;
}
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
globalThis.window = globalThis;
const closer = (stop) => () => stop.abort();

assert.strictEqual(await count('undici', () => { const s = new EventSource(url); return () => s.close(); }), 2, 'the control has changed');
assert(await count('fetch-event-source', () => {
  const stop = new AbortController();
  // Reconnecting after the end of a stream takes an onclose that throws, as the package's guide says.
  fetchEventSource(url, { signal: stop.signal, openWhenHidden: true, onclose() { throw new Error(); }, onerror: () => 100 });
  return () => stop.abort();
}) >= 5, 'the behaviour has changed');
assert(await count('event-source-plus', () => {
  const stop = new EventSourcePlus(url).listen({ onMessage() {} });
  return () => stop.abort();
}) >= 5, 'the behaviour has changed');
assert(await count('sseclient', () => {
  const loop = `from sseclient import SSEClient\nfor message in SSEClient("${url}"): pass`;
  const child = spawn('venv/bin/python', ['-c', loop], { stdio: 'ignore' });
  return () => child.kill();
}) >= 5, 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
