#!/usr/bin/env bash
# ruamel.yaml reads names with an underscore between digits as numbers, though it says that it reads YAML 1.2.
#
# Software: PyPI ruamel.yaml 0.19.1 (typ="safe"); control: npm yaml 2.9.1 and js-yaml 5.5.0, and ruamel.yaml on 0640 and yes, which it
#   reads by YAML 1.2.
# Expected: YAML 1.2, section 10.3.2: an integer of the core schema is made of digits, or 0o or 0x and digits; all else is a string.
# Seen: the underscore of YAML 1.1 is still left out, and 0b still known: a name 2026_11 becomes 202611 and a version 1_2 becomes 12.
# Output (2026-11-30), 2026_11 / 0b11 / 0640 / yes:
#   ruamel.yaml: 202611 / 3 / 640 / 'yes'
#   npm yaml: '2026_11' / '0b11' / 640 / 'yes'
#   js-yaml: '2026_11' / '0b11' / 640 / 'yes'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund yaml@2.9.1 js-yaml@5.5.0 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install ruamel.yaml==0.19.1

echo '[2026_11, 0b11, 0640, yes]' >values.yaml
venv/bin/python - <<'PY'
from ruamel.yaml import YAML

seen = YAML(typ="safe").load(open("values.yaml"))
print("ruamel.yaml:", " / ".join(repr(each) for each in seen))
assert seen[2:] == [640, "yes"], "the control has changed"
assert seen[:2] == [202611, 3], "the behaviour has changed"
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { load } from 'js-yaml';
import { parse } from 'yaml';

const text = readFileSync('values.yaml', 'utf8');
for (const [name, read] of [['npm yaml', parse], ['js-yaml', load]]) {
  const seen = read(text);
  console.log(`${name}: ${seen.map((each) => inspect(each)).join(' / ')}`);
  assert.deepStrictEqual(seen, ['2026_11', '0b11', 640, 'yes'], `changed: ${name}`);
}
JS
node try.mjs
