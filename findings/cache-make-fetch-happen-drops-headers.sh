#!/usr/bin/env bash
# make-fetch-happen drops most header fields of an answer when it is read from its cache.
#
# Software: npm make-fetch-happen 15.0.6; control: the cache interceptor of npm undici 7.30.2.
# Expected: RFC 9111, section 3.1: caches store all header fields of an answer, but for a few named ones that belong
#   to the connection or to proxies.
# Seen: the first read has all fields; the same read from the cache, or after a 304, has only those of a short built-in
#   list. Link (the next page), RateLimit and Cache-Status are gone, so a pager that works on a cold cache stops
#   after the first page on a warm one.
# Output (2026-11-30), names of fields on the first and the second read:
#   undici: cache-status link ratelimit | cache-status link ratelimit
#   make-fetch-happen: cache-status link ratelimit | link
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund make-fetch-happen@15.0.6 undici@7.30.2 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import fetchWithCache from 'make-fetch-happen';
import { Agent, fetch, interceptors } from 'undici';

const FIELDS = {
  'cache-status': '"upstream"; hit', link: '</sddcs?page=2>; rel="next"', ratelimit: '"default";r=9;t=60' };
const server = http.createServer((request, response) => {
  response.writeHead(200, { ...FIELDS, 'Cache-Control': 'max-age=600' }).end('[]');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}`;

async function names(name, get) {
  const reads = [];
  for (let i = 0; i < 2; i++) {
    const response = await get(`${address}/${name}`);
    await response.text();
    reads.push(Object.keys(FIELDS).filter((field) => response.headers.has(field)).join(' '));
  }
  console.log(`${name}: ${reads.join(' | ')}`);
  return reads;
}
const dispatcher = new Agent().compose(interceptors.cache({ type: 'private' }));
const right = await names('undici', (url) => fetch(url, { dispatcher }));
const wrong = await names('make-fetch-happen', fetchWithCache.defaults({ cachePath: './npm-cache' }));
const all = Object.keys(FIELDS).join(' ');
assert.deepStrictEqual(right, [all, all], 'the control has changed');
assert.deepStrictEqual(wrong, [all, 'link'], 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
