#!/usr/bin/env bash
# Fastify's ETag plugin knows neither a list nor "*" in If-None-Match, WebOb no "*", and Express no tab between two tags.
#
# Software: npm @fastify/etag 6.2.0 with fastify 5.12.8, express 5.3.0 (with fresh 2.0.0), PyPI WebOb 1.8.11; control: npm hono
#   4.13.19.
# Expected: RFC 9110, section 13.1.2: the field is "*" or a list of entity tags, and a GET is answered with 304 if one matches or if
#   there is an answer at all; white space in a list may be tabs (section 5.6.1).
# Seen: the answer is sent in full: a cache in between that holds two versions and asks with both tags saves nothing.
# Output (2026-11-30), status for "a" | "x", "a" | "x",<tab>"a" | *:
#   WebOb: 304 304 304 200
#   hono: 304 304 304 304
#   fastify: 304 200 200 200
#   express: 304 304 200 304
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund express@5.3.0 fresh@2.0.0 hono@4.13.19 fastify@5.12.8 @fastify/etag@6.2.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install WebOb==1.8.11

venv/bin/python - <<'PY'
import webob

seen = []
for tags in ('"a"', '"x", "a"', '"x",\t"a"', "*"):
    response = webob.Response("x", etag="a", conditional_response=True)
    seen.append(str(webob.Request.blank("/", headers={"If-None-Match": tags}).get_response(response).status_code))
print("WebOb:", " ".join(seen))
assert " ".join(seen) == "304 304 304 200", "the behaviour has changed"
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import express from 'express';
import Fastify from 'fastify';
import fastifyEtag from '@fastify/etag';
import { Hono } from 'hono';
import { etag } from 'hono/etag';

const hono = new Hono().use(etag()).get('/', (context) => context.text('x', 200, { ETag: '"a"' }));
const fastify = Fastify();
await fastify.register(fastifyEtag);
fastify.get('/', (request, reply) => reply.header('ETag', '"a"').send('x'));
const server = express().get('/', (request, response) => response.set('ETag', '"a"').send('x')).listen(0, '127.0.0.1');
await once(server, 'listening');
async function askExpress(headers) {
  const [answer] = await once(http.get({ port: server.address().port, host: '127.0.0.1', headers }), 'response');
  answer.resume();
  return answer.statusCode;
}

for (const [name, ask, expected] of [
  ['hono', async (headers) => (await hono.request('/', { headers })).status, '304 304 304 304'],
  ['fastify', async (headers) => (await fastify.inject({ url: '/', headers })).statusCode, '304 200 200 200'],
  ['express', askExpress, '304 304 200 304']]) {
  const seen = [];
  for (const tags of ['"a"', '"x", "a"', '"x",\t"a"', '*']) {
    seen.push(await ask({ 'if-none-match': tags }));
  }
  console.log(`${name}: ${seen.join(' ')}`);
  assert.strictEqual(seen.join(' '), expected, `changed: ${name}`);
}
process.exit(0);
JS
node try.mjs
