#!/usr/bin/env bash
# make-fetch-happen, the HTTP client of npm, tries again without looking at Retry-After.
#
# Software: npm make-fetch-happen 15.0.6; control: npm got 14.6.6 on the same server.
# Expected: RFC 9110, section 10.2.3, with a 503 Retry-After says how long the service is expected to be unavailable; RFC
#   6585, section 4, has it say how long to wait after a 429. A client that retries by itself should wait that long.
# Seen: it retries 429 and 503 by its own timer. All its tries are used up before the server meant to answer.
# Output (2026-11-30), for 429 with Retry-After: 3 and two retries:
#   got: 200, waited 3 s
#   make-fetch-happen: 429, 3 questions within 1 s
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund make-fetch-happen@15.0.6 got@14.6.6 >>npm.log 2>&1

cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import got from 'got';
import fetch from 'make-fetch-happen';

// 429 for three seconds from the first question on each path, then 200.
const times = {};
const server = http.createServer((request, response) => {
  const seen = (times[request.url] ??= []);
  seen.push(Date.now());
  if (seen.at(-1) - seen[0] >= 2900) return response.end('x');
  response.writeHead(429, { 'Retry-After': '3' }).end();
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}`;

const right = (await got(`${url}/got`, { retry: { limit: 2 } })).statusCode;
console.log(`got: ${right}, waited ${Math.round((times['/got'][1] - times['/got'][0]) / 1000)} s`);
assert.strictEqual(right, 200, 'the control has changed');

const wrong = (await fetch(`${url}/npm`, { retry: { retries: 2, minTimeout: 100, randomize: false } })).status;
const seen = times['/npm'];
console.log(`make-fetch-happen: ${wrong}, ${seen.length} questions within ${Math.ceil((seen.at(-1) - seen[0]) / 1000)} s`);
assert(wrong === 429 && seen.length === 3, 'the behaviour has changed');
process.exit(0);
JS
node --no-warnings try.mjs
