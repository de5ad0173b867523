#!/usr/bin/env bash
# Five client caches ask the server although the request says only-if-cached.
#
# Software: PyPI CacheControl 0.14.4, hishel 2.0.0 (rfc, not shared); npm make-fetch-happen 15.0.6, got 14.6.6,
#   axios-cache-interceptor 1.12.3 with axios 1.21.1; control: npm undici 7.30.2 (cache interceptor, private).
# Expected: RFC 9111, section 5.2.1.7: the client only wishes a stored answer; a cache that has none should answer 504.
# Seen: an "offline" read goes out on the network and comes back as 200.
# Output (2026-11-30), status with an empty cache and questions that the server got:
#   undici 504 0, make-fetch-happen 200 1, got 200 1, axios-cache-interceptor 200 1, CacheControl 200 1,
#   hishel 200 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund make-fetch-happen@15.0.6 got@14.6.6 axios-cache-interceptor@1.12.3 axios@1.21.1 \
  undici@7.30.2 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install CacheControl==0.14.4 requests==2.34.2 hishel==2.0.0 httpx==0.28.1

cat >try.py <<'PY'
import sys
import requests
from cachecontrol import CacheControl
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheClient

headers = {"Cache-Control": "only-if-cached"}
clients = {
    "CacheControl": CacheControl(requests.Session()),
    "hishel": CacheClient(rfc=CacheOptions(shared=False), storage=SqliteStorage(database_path="hishel.db")),
}
for name, client in clients.items():
    print(name, client.get(f"{sys.argv[1]}/{name}", headers=headers).status_code)
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import axios from 'axios';
import { setupCache } from 'axios-cache-interceptor';
import got from 'got';
import npm from 'make-fetch-happen';
import { Agent, interceptors, request as ask } from 'undici';

const count = {};
const server = http.createServer((request, response) => {
  count[request.url.slice(1)] = (count[request.url.slice(1)] ?? 0) + 1;
  response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('x');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = (name) => `http://127.0.0.1:${server.address().port}/${name}`;
const headers = { 'Cache-Control': 'only-if-cached' };

const dispatcher = new Agent().compose(interceptors.cache({ type: 'private' }));
const status = {
  undici: (await ask(url('undici'), { dispatcher, headers })).statusCode,
  'make-fetch-happen': (await npm(url('make-fetch-happen'), { cachePath: './npm-cache', headers })).status,
  got: (await got(url('got'), { cache: new Map(), headers })).statusCode,
  'axios-cache-interceptor':
    (await setupCache(axios.create(), { cacheTakeover: false }).get(url('axios-cache-interceptor'), { headers })).status,
};
const python = await promisify(execFile)('venv/bin/python', ['try.py', url('').slice(0, -1)]);
for (const line of python.stdout.trim().split('\n')) status[line.split(' ')[0]] = Number(line.split(' ')[1]);

console.log(Object.entries(status).map(([name, value]) => `${name} ${value} ${count[name] ?? 0}`).join(', '));
assert(status.undici === 504 && !count.undici, 'the control has changed');
for (const name of Object.keys(status).filter((key) => key !== 'undici')) {
  assert(status[name] === 200 && count[name] === 1, `the behaviour has changed: ${name}`);
}
process.exit(0);
JS
node --no-warnings try.mjs
