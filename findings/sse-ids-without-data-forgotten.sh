#!/usr/bin/env bash
# Four event-stream clients forget an id that came without data.
#
# Software: npm eventsource-client 1.2.0, npm launchdarkly-eventsource 2.2.0, npm event-source-plus 0.1.15,
#   PyPI launchdarkly-eventsource 1.7.4; control: the EventSource of npm undici 7.30.2.
# Expected: WHATWG HTML, "Interpreting an event stream", steps of the blank line: first the last event ID of the
#   source is set to the ID buffer, and only then does an empty data buffer end the steps. A server can so move
#   a quiet client's position on.
# Seen: they reconnect with the id of the last event that had data, so a server whose journal has moved past
#   it must send everything again.
# Output (2026-11-30):
#   undici: none, 2
#   eventsource-client: none, 1
#   launchdarkly-eventsource (npm): none, 1
#   event-source-plus: none, 1
#   launchdarkly-eventsource (PyPI): none, 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund eventsource-client@1.2.0 launchdarkly-eventsource@2.2.0 event-source-plus@0.1.15 \
  undici@7.30.2 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install launchdarkly-eventsource==1.7.4

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { EventSource } from 'undici';
import { createEventSource } from 'eventsource-client';
import { EventSourcePlus } from 'event-source-plus';
import LaunchDarkly from 'launchdarkly-eventsource';

const asked = [];
const server = http.createServer((request, response) => {
  asked.push(request.headers['last-event-id'] ?? 'none');
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('retry: 100\n\n');
  if (asked.length === 1) response.end('id: 1\ndata: one\n\nid: 2\n\n');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

async function ids(name, open) {
  asked.length = 0;
  const close = open();
  for (let i = 0; i < 600 && asked.length < 2; i++) await pause(100);
  console.log(`${name}: ${asked.join(', ')}`);
  close();
  await pause(300);
  return asked.slice(0, 2).join(', ');
}
const closing = (source) => () => source.close();
const python = `from ld_eventsource import SSEClient
from ld_eventsource.config import ErrorStrategy
for event in SSEClient("${url}", error_strategy=ErrorStrategy.always_continue()).events: pass`;

assert.strictEqual(await ids('undici', () => closing(new EventSource(url))), 'none, 2', 'the control has changed');
assert.strictEqual(await ids('eventsource-client', () => closing(createEventSource(url))), 'none, 1');
assert.strictEqual(await ids('launchdarkly-eventsource (npm)', () => closing(new LaunchDarkly.EventSource(url))), 'none, 1');
assert.strictEqual(await ids('event-source-plus', () => {
  const stop = new EventSourcePlus(url).listen({ onMessage() {} });
  return () => stop.abort();
}), 'none, 1');
assert.strictEqual(await ids('launchdarkly-eventsource (PyPI)', () => {
  const child = spawn('venv/bin/python', ['-c', python]);
  return () => child.kill();
}), 'none, 1');
process.exit(0);
JS
node --no-warnings try.mjs
