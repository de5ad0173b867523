#!/usr/bin/env bash
# undici's cache asks for the whole answer again once max-age has passed, although it has the ETag.
#
# Software: npm undici 7.30.2 (cache interceptor, private); control: npm got 14.6.6 with a Map as its cache.
# Expected: RFC 9111, section 4.3: a cache with a stale stored answer uses its validators to ask whether it may still
#   be used; undici's docs say that its cache interceptor follows that RFC, and it does so for no-cache answers.
# Seen: a stored answer is deleted when it gets stale, unless stale-if-error or stale-while-revalidate keeps it. The
#   next read has no If-None-Match, the server sends everything, and 304 is never seen.
# Output (2026-11-30), If-None-Match of the second question:
#   got: W/"1"
#   undici: none
#   undici with stale-if-error=60: W/"1"
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund got@14.6.6 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import got from 'got';
import { Agent, interceptors, request as ask } from 'undici';

const seen = {};
const server = http.createServer((request, response) => {
  (seen[request.url] ??= []).push(request.headers['if-none-match'] ?? 'none');
  const extra = request.url === '/keep' ? ', stale-if-error=60' : '';
  response.writeHead(request.headers['if-none-match'] ? 304 : 200, { ETag: 'W/"1"', 'Cache-Control': `max-age=1${extra}` });
  response.end(request.headers['if-none-match'] ? undefined : 'x');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}`;

const cache = new Map();
const dispatcher = new Agent().compose(interceptors.cache({ type: 'private' }));
for (let i = 0; i < 2; i++) {
  await got(`${address}/got`, { cache });
  for (const path of ['plain', 'keep']) await (await ask(`${address}/${path}`, { dispatcher })).body.text();
  await pause(2500);
}
console.log('got:', seen['/got'][1]);
console.log('undici:', seen['/plain'][1]);
console.log('undici with stale-if-error=60:', seen['/keep'][1]);
assert.deepStrictEqual(seen['/got'], ['none', 'W/"1"'], 'the control has changed');
assert.deepStrictEqual(seen['/keep'], ['none', 'W/"1"'], 'the control has changed');
assert.deepStrictEqual(seen['/plain'], ['none', 'none'], 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
