#!/usr/bin/env bash
# Express and Django never find an ETag again that has a comma in it.
#
# Software: npm express 5.3.0 (with fresh 2.0.0), PyPI Django 5.2.19; control: PyPI Werkzeug 3.1.9, npm hono 4.13.19, and all of
#   them on a tag without a comma.
# Expected: RFC 9110, section 8.8.3: an entity tag is any text of visible characters but the quote within quotes, so "a,b" is one;
#   section 13.1.2: when it is sent back in If-None-Match, a GET is answered with 304.
# Seen: both cut the field at each comma, so the answer is sent in full for ever. No error tells it.
# Output (2026-11-30), status for a tag sent back, "ab" / "a,b":
#   Werkzeug: 304 / 304
#   Django: 304 / 200
#   hono: 304 / 304
#   express: 304 / 200
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund express@5.3.0 fresh@2.0.0 hono@4.13.19 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install Django==5.2.19 Werkzeug==3.1.9

venv/bin/python - <<'PY'
import django
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.views.decorators.http import condition
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

settings.configure()
django.setup()


def ask_django(tag):
    view = condition(etag_func=lambda request: tag)(lambda request: HttpResponse("x"))
    return view(RequestFactory().get("/", headers={"If-None-Match": tag})).status_code


def ask_werkzeug(tag):
    @Request.application
    def view(request):
        response = Response("x", headers={"ETag": tag})
        return response.make_conditional(request)

    return Client(view).get("/", headers={"If-None-Match": tag}).status_code


for name, ask, expected in [("Werkzeug", ask_werkzeug, (304, 304)), ("Django", ask_django, (304, 200))]:
    seen = (ask('"ab"'), ask('"a,b"'))
    print(f"{name}: {seen[0]} / {seen[1]}")
    assert seen == expected, f"changed: {name}"
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import http from 'node:http';
import { once } from 'node:events';
import express from 'express';
import { Hono } from 'hono';
import { etag } from 'hono/etag';

async function askExpress(tag) {
  const server = express().get('/', (request, response) => response.set('ETag', tag).send('x')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const request = http.get({ port: server.address().port, host: '127.0.0.1', headers: { 'If-None-Match': tag } });
  const [answer] = await once(request, 'response');
  answer.resume();
  server.close();
  return answer.statusCode;
}
async function askHono(tag) {
  const app = new Hono().use(etag()).get('/', (context) => context.text('x', 200, { ETag: tag }));
  return (await app.request('/', { headers: { 'If-None-Match': tag } })).status;
}
for (const [name, ask, expected] of [['hono', askHono, '304 / 304'], ['express', askExpress, '304 / 200']]) {
  const seen = `${await ask('"ab"')} / ${await ask('"a,b"')}`;
  console.log(`${name}: ${seen}`);
  assert.strictEqual(seen, expected, `changed: ${name}`);
}
process.exit(0);
JS
node try.mjs
