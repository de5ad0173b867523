#!/usr/bin/env bash
# The parser of prometheus_client gives counters another name than the server wrote.
#
# Software: PyPI prometheus_client 0.26.0 (prometheus_client.parser); control: the same line without a TYPE or as a gauge, and
#   npm parse-prometheus-text-format 1.1.1.
# Expected: the Prometheus text format 0.0.4 has no rule about the ending of a counter's name; what stands in the line is the
#   name, and it is the one that Prometheus stores.
# Seen: the sample of a counter "restarts" is called "restarts_total". A test or a check that looks for the name in the
#   document finds nothing; one that copies the name from here into a query asks Prometheus for a series that is not there.
# Output (2026-11-30), the name of the sample of "restarts 3":
#   npm: restarts
#   no type: restarts
#   gauge: restarts
#   counter: restarts_total
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund parse-prometheus-text-format@1.1.1 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install prometheus_client==0.26.0

cat >try.mjs <<'JS'
import assert from 'node:assert';
import parse from 'parse-prometheus-text-format';

const [{ name }] = parse('# TYPE restarts counter\nrestarts 3\n');
console.log(`npm: ${name}`);
assert.strictEqual(name, 'restarts', 'the control has changed');
JS
node try.mjs
venv/bin/python - <<'PY'
from prometheus_client.parser import text_string_to_metric_families as parse

for kind, expected in {"no type": "restarts", "gauge": "restarts", "counter": "restarts_total"}.items():
    head = "" if kind == "no type" else f"# TYPE restarts {kind}\n"
    (family,) = parse(f"{head}restarts 3\n")
    print(f"{kind}: {family.samples[0].name}")
    assert family.samples[0].name == expected, f"changed: {kind}"
PY
