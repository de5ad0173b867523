#!/usr/bin/env bash
# extended-eventsource reads one CRLF as two line ends when it is split over two chunks.
#
# Software: npm extended-eventsource 2.1.0 ("spec compliant"); control: the EventSource of npm undici 7.30.2.
# Expected: WHATWG HTML, "Parsing an event stream": a line ends with CRLF, LF or CR; where the network cuts
#   the bytes has no meaning.
# Seen: a chunk that ends between CR and LF makes an extra blank line, so an event of three lines is
#   dispatched in two halves, the second without the type and the first without the data.
# Output (2026-11-30):
#   undici: [["update","one"]]
#   extended-eventsource: [["update",""],["message","one"]]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund extended-eventsource@2.1.0 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { EventSource } from 'undici';
import { EventSource as Extended } from 'extended-eventsource';

const server = http.createServer(async (request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  response.write('event: update\r');
  await pause(200);
  response.write('\ndata: one\r\n\r\n');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;

async function collect(name, Source) {
  const source = new Source(url);
  const got = [];
  for (const type of ['update', 'message']) source.addEventListener(type, (event) => got.push([event.type, event.data]));
  for (let i = 0; i < 100 && !got.some(([, data]) => data === 'one'); i++) await pause(100);
  source.close();
  console.log(`${name}: ${JSON.stringify(got)}`);
  return got;
}
assert.deepStrictEqual(await collect('undici', EventSource), [['update', 'one']], 'the control has changed');
assert.deepStrictEqual(
  await collect('extended-eventsource', Extended), [['update', ''], ['message', 'one']], 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
