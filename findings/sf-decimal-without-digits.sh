#!/usr/bin/env bash
# A structured-field serializer writes numbers that end with a point, which no parser accepts, its own included.
#
# Software: npm structured-headers 2.1.0; control: the same on 0.5 and 1.001, and PyPI http-sf 1.5.0.
# Expected: RFC 9651, section 4.1.5: a decimal is rounded to three digits, and where they are zero it ends with ".0".
# Seen: any number within half a thousandth of a whole one, such as 2.9999 seconds, becomes "3.", so the field as a whole is invalid.
# Output (2026-11-30), http-sf / structured-headers / read again:
#   0.5: 0.5 / 0.5 / 0.5
#   1.001: 1.001 / 1.001 / 1.001
#   2.9999: 3.0 / 3. / ParseError
#   0.0001: 0.0 / 0. / ParseError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund structured-headers@2.1.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install http-sf==1.5.0

venv/bin/python -c 'import http_sf; print(*(http_sf.ser(number) for number in (0.5, 1.001, 2.9999, 0.0001)))' >control.txt
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { parseItem, serializeItem } from 'structured-headers';

const control = readFileSync('control.txt', 'utf8').trim().split(' ');
assert.deepStrictEqual(control, ['0.5', '1.001', '3.0', '0.0'], 'the control has changed');
[[0.5, '0.5 / 0.5'], [1.001, '1.001 / 1.001'], [2.9999, '3. / ParseError'], [0.0001, '0. / ParseError']].forEach(([number, expected], index) => {
  const text = serializeItem(number);
  let again;
  try {
    [again] = parseItem(text);
  } catch (error) {
    again = error.constructor.name;
  }
  console.log(`${number}: ${control[index]} / ${text} / ${again}`);
  assert.strictEqual(`${text} / ${again}`, expected, `changed: ${number}`);
});
JS
node try.mjs
