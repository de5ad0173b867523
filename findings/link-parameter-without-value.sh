#!/usr/bin/env bash
# Three Link parsers lose the relation of a link that has a parameter without a value before it.
#
# Software: PyPI requests 2.34.2, httpx 0.28.1, npm http-link-header 1.1.4; control: npm parse-link-header 2.0.0, and
#   all three with the parameter last.
# Expected: RFC 8288, section 3: link-param is a token, and "=" with a value is optional.
# Seen: rel is dropped with the bare parameter before it. requests and httpx file the link under its own address, so
#   response.links["next"] is a KeyError; http-link-header gives it no rel.
# Output (2026-11-30), for </sddcs?page=2>; preview; rel="next":
#   parse-link-header: next
#   http-link-header: undefined
#   requests: ['/sddcs?page=2']
#   httpx: ['/sddcs?page=2']
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund http-link-header@1.1.4 parse-link-header@2.0.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install requests==2.34.2 httpx==0.28.1

cat >try.cjs <<'JS'
const assert = require('node:assert');
const strict = require('http-link-header');
const parse = require('parse-link-header');

assert.strictEqual(strict.parse('</sddcs?page=2>; rel="next"; preview').refs[0].rel, 'next', 'the control has changed');
const value = '</sddcs?page=2>; preview; rel="next"';
console.log('parse-link-header:', Object.keys(parse(value)).join());
assert(parse(value).next, 'the control has changed');
console.log('http-link-header:', strict.parse(value).refs[0].rel);
assert.strictEqual(strict.parse(value).refs[0].rel, undefined, 'the behaviour has changed');
JS
node try.cjs

venv/bin/python - <<'PY'
import httpx
import requests


def links(value):
    first = requests.Response()
    first.headers["Link"] = value
    return {"requests": list(first.links), "httpx": list(httpx.Response(200, headers={"Link": value}).links)}


for name, seen in links('</sddcs?page=2>; rel="next"; preview').items():
    assert seen == ["next"], f"the control has changed: {name}"
for name, seen in links('</sddcs?page=2>; preview; rel="next"').items():
    print(f"{name}: {seen}")
    assert seen == ["/sddcs?page=2"], "the behaviour has changed"
PY
