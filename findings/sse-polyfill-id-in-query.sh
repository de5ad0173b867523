#!/usr/bin/env bash
# event-source-polyfill puts the last id into the query string and sends no Last-Event-ID header.
#
# Software: npm event-source-polyfill 1.0.31; control: the EventSource of npm undici 7.30.2.
# Expected: WHATWG HTML, "The Last-Event-ID header", and the package's own summary, which links to that
#   specification as what it fills in for: a reconnect carries the header Last-Event-ID.
# Seen: by default "?lastEventId=1" is added to the address. A server that refuses parameters it does not know
#   answers 400 to the first reconnect, and the client gives up for good; one that ignores them sends the
#   whole stream again.
# Output (2026-11-30):
#   undici: /events (header: none), /events (header: 1)
#   event-source-polyfill: /events (header: none), /events?lastEventId=1 (header: none)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund event-source-polyfill@1.0.31 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { EventSource } from 'undici';
globalThis.window = globalThis; // the polyfill is made for browsers
const { EventSourcePolyfill } = (await import('event-source-polyfill')).default;

const asked = [];
const server = http.createServer((request, response) => {
  asked.push(`${request.url} (header: ${request.headers['last-event-id'] ?? 'none'})`);
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': hello\n\n');
  if (asked.length === 1) response.end('retry: 1000\nid: 1\ndata: one\n\n');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/events`;

async function questions(name, Source) {
  asked.length = 0;
  const source = new Source(url);
  for (let i = 0; i < 600 && asked.length < 2; i++) await pause(100);
  source.close();
  console.log(`${name}: ${asked.join(', ')}`);
  return asked.slice(0, 2);
}
assert.deepStrictEqual(
  await questions('undici', EventSource), ['/events (header: none)', '/events (header: 1)'], 'the control has changed');
assert.deepStrictEqual(
  await questions('event-source-polyfill', EventSourcePolyfill),
  ['/events (header: none)', '/events?lastEventId=1 (header: none)'], 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
