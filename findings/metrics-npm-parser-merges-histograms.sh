#!/usr/bin/env bash
# A parser of the Prometheus text format melts all the label sets of a histogram or a summary into one.
#
# Software: npm parse-prometheus-text-format 1.1.1; control: the same parser with a gauge, and PyPI prometheus_client
#   0.26.0 with all of them.
# Expected: the Prometheus text format: every line is a sample of its own, told apart by name and labels. The package aims
#   at what prom2json gives, which keeps the labels of histograms.
# Seen: of two methods only the buckets of the last one are left, the labels are gone, and so are sum and count. A
#   check on "requests that took longer than a second" looks at one method or one status only, without an error.
# Output (2026-11-30):
#   gauge: {"m":"GET"} {"m":"PUT"}
#   histogram: [{"buckets":{"1":"5","+Inf":"6"}}]
#   summary: [{"quantiles":{"0.5":"9"}}]
#   prometheus_client: 2 label sets of each
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund parse-prometheus-text-format@1.1.1 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install prometheus_client==0.26.0

cat >metrics.txt <<'TEXT'
# HELP inflight now
# TYPE inflight gauge
inflight{m="GET"} 1
inflight{m="PUT"} 5
# HELP took seconds
# TYPE took histogram
took_bucket{m="GET",le="1"} 1
took_bucket{m="GET",le="+Inf"} 2
took_sum{m="GET"} 3
took_count{m="GET"} 2
took_bucket{m="PUT",le="1"} 5
took_bucket{m="PUT",le="+Inf"} 6
took_sum{m="PUT"} 7
took_count{m="PUT"} 6
# HELP size bytes
# TYPE size summary
size{m="GET",quantile="0.5"} 4
size_sum{m="GET"} 8
size_count{m="GET"} 2
size{m="PUT",quantile="0.5"} 9
size_sum{m="PUT"} 18
size_count{m="PUT"} 2
TEXT
cat >try.mjs <<'JS'
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import parse from 'parse-prometheus-text-format';

const [gauge, histogram, summary] = parse(readFileSync('metrics.txt', 'utf8')).map((family) => family.metrics);
const labels = gauge.map((metric) => JSON.stringify(metric.labels)).join(' ');
console.log(`gauge: ${labels}\nhistogram: ${JSON.stringify(histogram)}\nsummary: ${JSON.stringify(summary)}`);
assert.strictEqual(labels, '{"m":"GET"} {"m":"PUT"}', 'the control has changed');
assert.deepStrictEqual(histogram, [{ buckets: { 1: '5', '+Inf': '6' } }], 'the behaviour has changed');
assert.deepStrictEqual(summary, [{ quantiles: { 0.5: '9' } }], 'the behaviour has changed');
JS
node try.mjs
venv/bin/python - <<'PY'
from prometheus_client.parser import text_string_to_metric_families as parse

for family in parse(open("metrics.txt").read()):
    assert {sample.labels["m"] for sample in family.samples} == {"GET", "PUT"}, "the control has changed"
print("prometheus_client: 2 label sets of each")
PY
