#!/usr/bin/env bash
# eventsource-client reads an HTML page as an event stream, and asks for it again and again.
#
# Software: npm eventsource-client 1.2.0; control: the EventSource of npm undici 7.30.2.
# Expected: WHATWG HTML, "Server-sent events", processing of the response: if its Content-Type is not
#   text/event-stream, fail the connection, that is, report an error and never reconnect.
# Seen: the sign-in page of a proxy (200, text/html) counts as a stream without events: onConnect is called, the end
#   of the page is an ordinary end of the stream, and the next question follows after two seconds, for ever.
# Output (2026-11-30):
#   undici asked 1 time, state closed
#   eventsource-client asked 3 times, connected 3 times
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund eventsource-client@1.2.0 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { createEventSource } from 'eventsource-client';
import { EventSource } from 'undici';

let asked = 0;
const server = http.createServer((request, response) => {
  asked++;
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Sign in</title>');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

const source = new EventSource(url);
await once(source, 'error');
await pause(5000);
console.log(`undici asked ${asked} time, state ${source.readyState === EventSource.CLOSED ? 'closed' : 'open'}`);
assert(asked === 1 && source.readyState === EventSource.CLOSED, 'the control has changed');

asked = 0;
let connected = 0;
const client = createEventSource({ url, onConnect: () => connected++ });
for (let i = 0; i < 300 && asked < 3; i++) await pause(100);
await pause(500);
client.close();
console.log(`eventsource-client asked ${asked} times, connected ${connected} times`);
assert(asked === 3 && connected === 3, 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
