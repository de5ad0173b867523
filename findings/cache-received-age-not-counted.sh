#!/usr/bin/env bash
# Four client caches do not count the Age that an answer came with.
#
# Software: PyPI CacheControl 0.14.4, requests-cache 1.3.3 (cache_control=True), hishel 2.0.0 (rfc, not shared);
#   npm make-fetch-happen 15.0.6; control: npm undici 7.30.2 (cache interceptor, private), and each client itself
#   with an answer that is stale by its own clock.
# Expected: RFC 9111, section 4.2.3: the current age begins with the Age value of the answer, and an answer is fresh
#   while its lifetime is greater than its current age.
# Seen: with "max-age=60" and "Age: 59" the answer is stale after a second, yet three seconds later all four still use
#   it, and would for a minute: the reader of an upstream cache sees data up to twice as old as the server allowed.
# Output (2026-11-30), questions for two reads three seconds apart, Age: 59 / max-age=1:
#   undici 2 2, make-fetch-happen 1 2, CacheControl 1 2, requests-cache 1 2, hishel 1 2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund make-fetch-happen@15.0.6 undici@7.30.2 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install CacheControl==0.14.4 requests-cache==1.3.3 requests==2.34.2 hishel==2.0.0 httpx==0.28.1

cat >try.py <<'PY'
import sys
import time
import httpx
import requests
from cachecontrol import CacheControl
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheClient
from requests_cache import CachedSession

clients = {
    "CacheControl": CacheControl(requests.Session()),
    "requests-cache": CachedSession(backend="memory", cache_control=True, ignored_parameters=[]),
    "hishel": CacheClient(rfc=CacheOptions(shared=False), storage=SqliteStorage(database_path="hishel.db")),
}
for pause in (0, 3):
    time.sleep(pause)
    for name, client in clients.items():
        client.get(f"{sys.argv[1]}/old/{name}")
        client.get(f"{sys.argv[1]}/short/{name}")
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

const count = {};
const server = http.createServer((request, response) => {
  count[request.url] = (count[request.url] ?? 0) + 1;
  const old = { 'Cache-Control': 'max-age=60', Age: '59' };
  response.writeHead(200, request.url.startsWith('/old/') ? old : { 'Cache-Control': 'max-age=1' }).end('x');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}`;

const npm = fetchWithCache.defaults({ cachePath: './npm-cache' });
const dispatcher = new Agent().compose(interceptors.cache({ type: 'private' }));
for (const seconds of [0, 3]) {
  await pause(seconds * 1000);
  for (const kind of ['old', 'short']) {
    await (await npm(`${address}/${kind}/make-fetch-happen`)).text();
    await (await ask(`${address}/${kind}/undici`, { dispatcher })).body.text();
  }
}
await promisify(execFile)('venv/bin/python', ['try.py', address]);

const names = ['undici', 'make-fetch-happen', 'CacheControl', 'requests-cache', 'hishel'];
console.log(names.map((name) => `${name} ${count[`/old/${name}`]} ${count[`/short/${name}`]}`).join(', '));
for (const name of names) assert.strictEqual(count[`/short/${name}`], 2, `the control has changed: ${name}`);
for (const name of names) assert.strictEqual(count[`/old/${name}`], name === 'undici' ? 2 : 1, `changed: ${name}`);
process.exit(0);
JS
node --no-warnings try.mjs
