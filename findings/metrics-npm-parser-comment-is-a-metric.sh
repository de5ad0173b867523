#!/usr/bin/env bash
# A parser of the Prometheus text format takes comments for metrics.
#
# Software: npm parse-prometheus-text-format 1.1.1; control: PyPI prometheus_client 0.26.0, and the same parser with a
#   comment that has a blank after its "#".
# Expected: the Prometheus text format: lines with a "#" as the first character that is not white space are comments, and
#   ignored unless HELP or TYPE is the first token after it; tokens are separated by any number of blanks or tabs.
# Seen: "#" alone and "#text" become metrics of these names. They also end the family above, so the samples below them lose
#   their type and help, and the program that reads them its gauge.
# Output (2026-11-30), families as name type samples:
#   prometheus_client: up gauge 2
#   with "# text": up GAUGE 2
#   with "#text": up GAUGE 1, #text UNTYPED 1, up UNTYPED 1
#   with "#": up GAUGE 1, # UNTYPED 1, up UNTYPED 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund parse-prometheus-text-format@1.1.1 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install prometheus_client==0.26.0

venv/bin/python - <<'PY'
from prometheus_client.parser import text_string_to_metric_families as parse

for comment in ("# text", "#text", "#"):
    text = f'# TYPE up gauge\nup{{host="a"}} 1\n{comment}\nup{{host="b"}} 1\n'
    seen = [(family.name, family.type, len(family.samples)) for family in parse(text)]
    assert seen == [("up", "gauge", 2)], "the control has changed"
print("prometheus_client: up gauge 2")
PY
cat >try.mjs <<'JS'
import assert from 'node:assert';
import parse from 'parse-prometheus-text-format';

for (const [comment, expected] of [
  ['# text', 'up GAUGE 2'],
  ['#text', 'up GAUGE 1, #text UNTYPED 1, up UNTYPED 1'],
  ['#', 'up GAUGE 1, # UNTYPED 1, up UNTYPED 1']]) {
  const families = parse(`# TYPE up gauge\nup{host="a"} 1\n${comment}\nup{host="b"} 1\n`);
  const seen = families.map(({ name, type, metrics }) => `${name} ${type} ${metrics.length}`).join(', ');
  console.log(`with "${comment}": ${seen}`);
  assert.strictEqual(seen, expected, 'the behaviour has changed');
}
JS
node try.mjs
