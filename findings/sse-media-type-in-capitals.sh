#!/usr/bin/env bash
# Two event-stream clients refuse a stream whose media type is written with capitals.
#
# Software: npm @microsoft/fetch-event-source 2.0.1, npm event-source-plus 0.1.15; control: the EventSource of npm
#   undici 7.30.2.
# Expected: RFC 9110, section 8.3.1: the type and subtype tokens are case-insensitive; its example gives
#   "Text/HTML;Charset=\"utf-8\"" as one of four equal forms.
# Seen: "Text/Event-Stream" is an error for both, and both ask again and again.
# Output (2026-11-30):
#   undici: message one
#   fetch-event-source: Expected content-type to be text/event-stream, Actual: Text/Event-Stream
#   event-source-plus: Expected server to response with Content-Type: 'text/event-stream'. Got 'Text/Event-Stream'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund @microsoft/fetch-event-source@2.0.1 event-source-plus@0.1.15 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { EventSource } from 'undici';
import { EventSourcePlus } from 'event-source-plus';
import { fetchEventSource } from '@microsoft/fetch-event-source';

const server = http.createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'Text/Event-Stream' }).write('data: one\n\n');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

async function first(name, open) {
  const seen = await new Promise(open);
  console.log(`${name}: ${seen}`);
  return seen;
}
const right = await first('undici', (seen) => {
  const source = new EventSource(url);
  source.onmessage = (event) => seen(`message ${event.data}`);
  source.onerror = () => seen('an error');
});
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
globalThis.window = globalThis;
const microsoft = await first('fetch-event-source', (seen) => fetchEventSource(url, {
  openWhenHidden: true, onmessage: (event) => seen(`message ${event.data}`), onerror: (error) => seen(error.message) }));
const plus = await first('event-source-plus', (seen) => new EventSourcePlus(url).listen({
  onMessage: (event) => seen(`message ${event.data}`), onResponseError: ({ error }) => seen(String(error?.message)) }));

assert.strictEqual(right, 'message one', 'the control has changed');
assert.match(microsoft, /^Expected content-type to be text\/event-stream/, 'the behaviour has changed');
assert.doesNotMatch(plus, /^message/, 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
