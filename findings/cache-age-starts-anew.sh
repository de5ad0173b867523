#!/usr/bin/env bash
# Two client caches replace the Age of an answer by the time it has been with them.
#
# Software: PyPI hishel 2.0.0 (rfc, not shared) with httpx 0.28.1, npm make-fetch-happen 15.0.6; control: the cache
#   interceptor of npm undici 7.30.2.
# Expected: RFC 9111, sections 4 and 4.2.3: a stored answer is sent with an Age field whose value is the current age,
#   that is, the Age it came with plus the time since.
# Seen: an answer that came with "Age: 30" says "Age: 1" when it is read again. A program that shows the age of its
#   data shows it younger at every read from the cache.
# Output (2026-11-30), first read and the same again a second later:
#   undici 30 31, make-fetch-happen 30 1, hishel 30 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund make-fetch-happen@15.0.6 undici@7.30.2 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install hishel==2.0.0 httpx==0.28.1

cat >try.py <<'PY'
import sys
import time
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheClient

client = CacheClient(rfc=CacheOptions(shared=False), storage=SqliteStorage(database_path="hishel.db"))
first = client.get(sys.argv[1]).headers["age"]
time.sleep(1.1)
print(first, client.get(sys.argv[1]).headers["age"])
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';
import fetchWithCache from 'make-fetch-happen';
import { Agent, interceptors, request as ask } from 'undici';

const server = http.createServer((request, response) => {
  response.writeHead(200, { 'Cache-Control': 'max-age=600', Age: '30' }).end('x');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}`;

const npm = fetchWithCache.defaults({ cachePath: './npm-cache' });
const dispatcher = new Agent().compose(interceptors.cache({ type: 'private' }));
const seen = { undici: [], 'make-fetch-happen': [] };
for (let i = 0; i < 2; i++) {
  const right = await ask(`${address}/undici`, { dispatcher });
  await right.body.text();
  seen.undici.push(Number(right.headers.age));
  const wrong = await npm(`${address}/npm`);
  await wrong.text();
  seen['make-fetch-happen'].push(Number(wrong.headers.get('age')));
  await pause(1100);
}
const python = await promisify(execFile)('venv/bin/python', ['try.py', `${address}/hishel`]);
seen.hishel = python.stdout.trim().split(' ').map(Number);

console.log(Object.entries(seen).map(([name, ages]) => `${name} ${ages.join(' ')}`).join(', '));
assert(seen.undici[0] === 30 && seen.undici[1] >= 31, 'the control has changed');
for (const name of ['make-fetch-happen', 'hishel']) {
  assert(seen[name][0] === 30 && seen[name][1] < 30, `the behaviour has changed: ${name}`);
}
process.exit(0);
JS
node --no-warnings try.mjs
