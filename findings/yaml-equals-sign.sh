#!/usr/bin/env bash
# Two YAML parsers fail at a plain equals sign.
#
# Software: PyPI PyYAML 6.0.4 (safe_load), ruamel.yaml 0.19.1 (typ="safe"); control: both on "=~" and on the sign in quotes, and npm
#   yaml 2.9.1.
# Expected: YAML 1.2, section 10.3.2: in the core schema what matches none of its patterns is a string. In YAML 1.1 the sign is of type
#   !!value, which loads as a string where it is not the key of a mapping.
# Seen: ConstructorError. The manifests of Kubernetes operators list comparisons, such as "matchType: =" beside "=~", and a
#   script that reads them fails on this one alone.
# Output (2026-11-30), matchType of =~ | "=" | =:
#   PyYAML: =~ | = | ConstructorError
#   ruamel.yaml: =~ | = | ConstructorError
#   npm yaml: =~ | = | =
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund yaml@2.9.1 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install PyYAML==6.0.4 ruamel.yaml==0.19.1

venv/bin/python - <<'PY'
import yaml
from ruamel.yaml import YAML

for name, load in {"PyYAML": yaml.safe_load, "ruamel.yaml": YAML(typ="safe").load}.items():
    seen = []
    for value in ("=~", '"="', "="):
        try:
            seen.append(load(f"matchType: {value}\n")["matchType"])
        except Exception as error:
            seen.append(type(error).__name__)
    print(f"{name}: {' | '.join(seen)}")
    assert seen == ["=~", "=", "ConstructorError"], f"changed: {name}"
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { parse } from 'yaml';

const seen = ['=~', '"="', '='].map((value) => parse(`matchType: ${value}\n`).matchType).join(' | ');
console.log(`npm yaml: ${seen}`);
assert.strictEqual(seen, '=~ | = | =', 'the control has changed');
JS
node try.mjs
