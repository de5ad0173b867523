#!/usr/bin/env bash
# Spectral calls arrays of OpenAPI 3.1 an error if they have no items, or if items is false.
#
# Software: npm @stoplight/spectral-cli 6.16.3 (spectral:oas); control: npm @redocly/cli 2.77.0 (rule "struct") on the same
#   document, and Spectral on an array with a schema as its items.
# Expected: OpenAPI 3.1 takes JSON Schema 2020-12 over, where an array needs no items, prefixItems alone makes a tuple, and false is
#   a schema. Only OpenAPI 3.0 demands items.
# Seen: array-items is an error for both, also where items stands beside the type, so CI fails for a valid document.
# Output (2026-11-30):
#   redocly: no error
#   spectral: array-items at closed, array-items at tuple
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund @stoplight/spectral-cli@6.16.3 @redocly/cli@2.77.0 >>npm.log 2>&1

cat >api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "components": {"schemas": {"Sddc": {"type": "object", "properties": {
  "plain": {"type": "array", "items": {"type": "string"}},
  "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
  "closed": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false}}}}}}
JSON
echo 'extends: ["spectral:oas"]' >.spectral.yml
echo 'rules: {struct: error}' >redocly.yaml
export REDOCLY_TELEMETRY=off
npx redocly lint api.json >redocly.log 2>&1 || { echo "the control has changed"; cat redocly.log; exit 1; }
echo "redocly: no error"
npx spectral lint api.json --quiet --fail-severity error --format json >spectral.json || true
node - <<'JS'
const assert = require('node:assert');
const { readFileSync } = require('node:fs');

const text = readFileSync('spectral.json', 'utf8');
const errors = JSON.parse(text.slice(text.indexOf('['), text.lastIndexOf(']') + 1)).filter((each) => each.severity === 0);
const seen = errors.map(({ code, path }) => `${code} at ${path.find((step) => ['plain', 'tuple', 'closed'].includes(step))}`).sort().join(', ');
console.log(`spectral: ${seen}`);
assert.strictEqual(seen, 'array-items at closed, array-items at tuple', 'the behaviour has changed');
JS
