#!/usr/bin/env bash
# http-link-header throws at an empty element in the list of links.
#
# Software: npm http-link-header 1.1.4; control: npm parse-link-header 2.0.0 on the same values.
# Expected: RFC 9110, section 5.6.1.2: a recipient must parse and ignore a reasonable number of empty list elements.
#   They come about where a proxy joins two header lines of which one is empty.
# Seen: a leading comma is an error, for the whole value.
# Output (2026-11-30), for , </sddcs?page=2>; rel="next":
#   parse-link-header: next
#   http-link-header: Unexpected character "," at offset 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund parse-link-header@2.0.0 http-link-header@1.1.4 >>npm.log 2>&1

cat >try.cjs <<'JS'
const assert = require('node:assert');
const strict = require('http-link-header');
const parse = require('parse-link-header');

const link = '</sddcs?page=2>; rel="next"';
assert.strictEqual(strict.parse(link).refs.length, 1, 'the control has changed');
console.log('parse-link-header:', Object.keys(parse(`, ${link}`)).join());
assert.strictEqual(parse(`, ${link}`).next.url, '/sddcs?page=2', 'the control has changed');
let error;
try {
  strict.parse(`, ${link}`);
} catch (thrown) {
  error = thrown.message;
}
console.log('http-link-header:', error);
assert.match(String(error), /Unexpected character ","/, 'the behaviour has changed');
JS
node try.cjs
