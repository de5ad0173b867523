#!/usr/bin/env bash
# An ETag sent by fetch never brings a 304 from Express: the one adds no-cache, and the other then ignores the ETag.
#
# Software: npm undici 7.30.2 (fetch, the same as in Node and in browsers), npm express 5.3.0 (with fresh 2.0.0); control: the same
#   fetch with a server that compares the tags by itself, and the same Express asked by node:http.
# Expected: RFC 9110, section 13.1.2: a GET is answered with 304 when the tag matches. RFC 9111, section 5.2.1.4: no-cache asks caches
#   to validate what they have, which is what the tag is for, and says nothing to the origin.
# Seen: with If-None-Match set by the program, fetch takes over "no-store" as its cache mode and sends Cache-Control: no-cache;
#   fresh counts that as a wish for the whole answer. Polling costs a full answer each time.
# Output (2026-11-30), status and Cache-Control of the request:
#   fetch, other server: 304 no-cache
#   node:http, Express: 304 none
#   fetch, Express: 200 no-cache
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund undici@7.30.2 express@5.3.0 fresh@2.0.0 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import express from 'express';
import { fetch } from 'undici';

let directive;
const note = (request) => { directive = request.headers['cache-control'] ?? 'none'; };
const other = http.createServer((request, response) => {
  note(request);
  response.writeHead(request.headers['if-none-match'] === '"a"' ? 304 : 200, { ETag: '"a"' }).end();
}).listen(0, '127.0.0.1');
const app = express().get('/', (request, response) => {
  note(request);
  response.set('ETag', '"a"').send('x');
});
const server = app.listen(0, '127.0.0.1');
await Promise.all([once(other, 'listening'), once(server, 'listening')]);

const headers = { 'If-None-Match': '"a"' };
const address = (of) => `http://127.0.0.1:${of.address().port}/`;
for (const [name, ask, expected] of [
  ['fetch, other server', async () => (await fetch(address(other), { headers })).status, '304 no-cache'],
  ['node:http, Express', async () => (await once(http.get(address(server), { headers }), 'response'))[0].statusCode, '304 none'],
  ['fetch, Express', async () => (await fetch(address(server), { headers })).status, '200 no-cache']]) {
  const seen = `${await ask()} ${directive}`;
  console.log(`${name}: ${seen}`);
  assert.strictEqual(seen, expected, `changed: ${name}`);
}
process.exit(0);
JS
node try.mjs
