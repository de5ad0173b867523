#!/usr/bin/env bash
# Two popular Link parsers find no link at all when rel is in capitals or has spaces around its equals sign.
#
# Software: npm parse-link-header 2.0.0, li 1.3.0; control: npm http-link-header 1.1.4.
# Expected: RFC 8288, section 3: names of parameters are case-insensitive, and optional white space may stand on both
#   sides of "=", as some servers and proxies write it.
# Seen: both answer with an empty object, which reads as "this is the last page".
# Output (2026-11-30):
#   </sddcs?page=2>; rel="next": http-link-header next, parse-link-header next, li next
#   </sddcs?page=2>; REL="next": http-link-header next, parse-link-header none, li none
#   </sddcs?page=2>; rel = "next": http-link-header next, parse-link-header none, li none
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund parse-link-header@2.0.0 li@1.3.0 http-link-header@1.1.4 >>npm.log 2>&1

cat >try.cjs <<'JS'
const assert = require('node:assert');
const strict = require('http-link-header');
const parse = require('parse-link-header');
const li = require('li');

const found = (object) => Object.keys(object).join() || 'none';
function relations(value) {
  const seen = [strict.parse(value).refs.map((link) => link.rel).join(), found(parse(value) ?? {}), found(li.parse(value))];
  console.log(`${value}: http-link-header ${seen[0]}, parse-link-header ${seen[1]}, li ${seen[2]}`);
  return seen;
}
assert.deepStrictEqual(relations('</sddcs?page=2>; rel="next"'), ['next', 'next', 'next'], 'the control has changed');
assert.deepStrictEqual(relations('</sddcs?page=2>; REL="next"'), ['next', 'none', 'none'], 'the behaviour has changed');
assert.deepStrictEqual(relations('</sddcs?page=2>; rel = "next"'), ['next', 'none', 'none'], 'the behaviour has changed');
JS
node try.cjs
