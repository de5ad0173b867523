#!/usr/bin/env bash
# axios-cache-interceptor stores nothing that is marked private.
#
# Software: npm axios-cache-interceptor 1.12.3 with axios 1.21.1 (cacheTakeover: false); control: the cache interceptor
#   of npm undici 7.30.2, and the same client with an answer that is not marked.
# Expected: RFC 9111, section 5.2.2.7: private means that a shared cache must not store the answer and that a private
#   cache may, within the constraints of section 3. A cache within one program is the private kind.
# Seen: every read of "private, max-age=60" goes to the server; APIs that mark answers per caller, as most with keys
#   do, are never cached by it, and no ETag is ever sent back.
# Output (2026-11-30), questions for two reads:
#   undici, private: 1
#   axios-cache-interceptor, no mark: 1
#   axios-cache-interceptor, private: 2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund axios-cache-interceptor@1.12.3 axios@1.21.1 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import axios from 'axios';
import { setupCache } from 'axios-cache-interceptor';
import { Agent, interceptors, request as ask } from 'undici';

const count = {};
const server = http.createServer((request, response) => {
  count[request.url] = (count[request.url] ?? 0) + 1;
  const mark = request.url.includes('private') ? 'private, ' : '';
  response.writeHead(200, { 'Cache-Control': `${mark}max-age=60`, ETag: 'W/"1"' }).end('x');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}`;

const dispatcher = new Agent().compose(interceptors.cache({ type: 'private' }));
const client = setupCache(axios.create(), { cacheTakeover: false });
for (let i = 0; i < 2; i++) {
  await (await ask(`${address}/undici/private`, { dispatcher })).body.text();
  await client.get(`${address}/axios/plain`);
  await client.get(`${address}/axios/private`);
}
console.log('undici, private:', count['/undici/private']);
console.log('axios-cache-interceptor, no mark:', count['/axios/plain']);
console.log('axios-cache-interceptor, private:', count['/axios/private']);
assert.strictEqual(count['/undici/private'], 1, 'the control has changed');
assert.strictEqual(count['/axios/plain'], 1, 'the control has changed');
assert.strictEqual(count['/axios/private'], 2, 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
