#!/usr/bin/env bash
# fetch-event-source never asks again for an event that a broken connection cut in half.
#
# Software: npm @microsoft/fetch-event-source 2.0.1; control: the EventSource of npm undici 7.30.2.
# Expected: WHATWG HTML, "Interpreting an event stream": the last event ID of the source is set when an
#   event is dispatched (at its blank line), and an unfinished event at the end of the stream is dropped.
#   So after event 1 and half of event 2, a client reconnects with "Last-Event-ID: 1".
# Seen: it reconnects with the id of the unfinished event; the server goes on after it, and that event is lost.
# Output (2026-11-30):
#   undici asked with: none, 1 and got: one
#   fetch-event-source asked with: none, 2 and got: one
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund @microsoft/fetch-event-source@2.0.1 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { EventSource } from 'undici';
import { fetchEventSource } from '@microsoft/fetch-event-source';

// The first answer ends in the middle of event 2; the second one has nothing to say and stays open.
const asked = [];
const server = http.createServer(async (request, response) => {
  asked.push(request.headers['last-event-id'] ?? 'none');
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  response.write(': hello\n');
  if (asked.length > 1) return;
  response.write('retry: 100\nid: 1\ndata: one\n\nid: 2\ndata: tw');
  await pause(200);
  response.destroy();
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

async function run(name, open) {
  asked.length = 0;
  const got = [];
  const close = open((event) => got.push(event.data));
  for (let i = 0; i < 100 && asked.length < 2; i++) await pause(100);
  close();
  console.log(`${name} asked with: ${asked.join(', ')} and got: ${got.join(', ')}`);
  return [...asked];
}

const right = await run('undici', (take) => {
  const source = new EventSource(url);
  source.onmessage = take;
  return () => source.close();
});
const wrong = await run('fetch-event-source', (take) => {
  // The package expects the two objects of a browser.
  globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
  globalThis.window = globalThis;
  const stop = new AbortController();
  fetchEventSource(url, { signal: stop.signal, openWhenHidden: true, onmessage: take, onerror() {} });
  return () => stop.abort();
});
assert.deepStrictEqual(right, ['none', '1'], 'the control has changed');
assert.deepStrictEqual(wrong, ['none', '2'], 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
