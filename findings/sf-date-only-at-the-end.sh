#!/usr/bin/env bash
# A structured-field parser reads a date only where nothing stands behind it.
#
# Software: npm structured-headers 2.1.0; control: the same fields with a number for the date, and PyPI http-sf 1.5.0.
# Expected: RFC 9651, section 3.3.7: a date is a bare item like any other, so it may have parameters, be followed by a comma or stand
#   in an inner list.
# Seen: each of these is a parse error; a field that begins to tell times in a list is unreadable as a whole.
# Output (2026-11-30), http-sf / structured-headers with the date / with a number:
#   item a;t=@1: read / read / read
#   item @1;p: read / ParseError / read
#   list @1, @2: read / ParseError / read
#   dictionary a=@1, b: read / ParseError / read
#   list (@1): read / ParseError / read
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund structured-headers@2.1.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install http-sf==1.5.0

cat >fields.json <<'JSON'
[["item", "a;t=@1"], ["item", "@1;p"], ["list", "@1, @2"], ["dictionary", "a=@1, b"], ["list", "(@1)"]]
JSON
venv/bin/python - <<'PY'
import json
import http_sf

for kind, field in json.load(open("fields.json")):
    http_sf.parse(field.encode(), tltype=kind)
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { parseDictionary, parseItem, parseList } from 'structured-headers';

const parsers = { item: parseItem, list: parseList, dictionary: parseDictionary };
for (const [kind, field] of JSON.parse(readFileSync('fields.json'))) {
  const read = (text) => {
    try {
      parsers[kind](text);
      return 'read';
    } catch (error) {
      return error.constructor.name;
    }
  };
  const seen = `read / ${read(field)} / ${read(field.replaceAll('@', ''))}`;
  console.log(`${kind} ${field}: ${seen}`);
  assert.strictEqual(seen, field === 'a;t=@1' ? 'read / read / read' : 'read / ParseError / read', `changed: ${field}`);
}
JS
node try.mjs
