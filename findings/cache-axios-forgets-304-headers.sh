#!/usr/bin/env bash
# axios-cache-interceptor goes back to the old header fields after a 304 has brought new ones.
#
# Software: npm axios-cache-interceptor 1.12.3 with axios 1.21.1 (cacheTakeover: false); control: npm got 14.6.6 with a
#   Map as its cache.
# Expected: RFC 9111, section 3.2: the stored fields are replaced by those of the 304, and so are what later reads see.
# Seen: the read that caused the 304 has the new fields, the next one from the cache has those of the first answer
#   again: an id, a RateLimit or a Warning jumps back in time.
# Output (2026-11-30), field X-Revision of three reads:
#   got: 1 2 2
#   axios-cache-interceptor: 1 2 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund axios-cache-interceptor@1.12.3 axios@1.21.1 got@14.6.6 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import axios from 'axios';
import { setupCache } from 'axios-cache-interceptor';
import got from 'got';

const count = {};
const server = http.createServer((request, response) => {
  const { url, headers } = request;
  const turn = count[url] = (count[url] ?? 0) + 1;
  const status = headers['if-none-match'] ? 304 : 200;
  response.writeHead(status, { ETag: '"a"', 'X-Revision': turn, 'Cache-Control': `max-age=${turn === 1 ? 1 : 60}` });
  response.end(status === 200 ? 'x' : undefined);
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}`;

async function revisions(name, get) {
  const seen = [];
  for (const seconds of [0, 2.5, 0]) {
    await pause(seconds * 1000);
    seen.push((await get(`${address}/${name}`)).headers['x-revision']);
  }
  console.log(`${name}: ${seen.join(' ')}`);
  assert.strictEqual(count[`/${name}`], 2, 'the third read should come from the cache');
  return seen.join(' ');
}
const cache = new Map();
const client = setupCache(axios.create(), { cacheTakeover: false });
assert.strictEqual(await revisions('got', (url) => got(url, { cache })), '1 2 2', 'the control has changed');
assert.strictEqual(await revisions('axios-cache-interceptor', (url) => client.get(url)), '1 2 1', 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
