#!/usr/bin/env bash
# Prometheus does not find the type and help of a counter by the counter's name if it came as OpenMetrics.
#
# Software: Debian 12 prometheus 2.42.0+ds-5+deb12u1; control: the same counter in the text format, and a gauge in both.
# Expected: the documentation of /api/v1/targets/metadata and /api/v1/metadata: metric is the name of a metric to return metadata for;
#   the format is agreed on by Accept and does not change what is told.
# Seen: the metadata is kept under the name of the family, "asked", but the series is "asked_total": for it the answer is empty, so a
#   page that shows types and help by the name of a series shows none for any counter of a server that speaks OpenMetrics.
# Output (2026-11-30), metadata found as OpenMetrics / as text:
#   running: gauge / gauge
#   asked_total: none / counter
#   asked: counter / none
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download prometheus=2.42.0+ds-5+deb12u1 >apt.log 2>&1
dpkg-deb -x prometheus_*.deb root

cat >try.py <<'PY'
import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

formats = {
    "/openmetrics": (
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "# TYPE asked counter\n# HELP asked Questions.\nasked_total 1\n# TYPE running gauge\n# HELP running Now.\nrunning 1\n# EOF\n",
    ),
    "/text": (
        "text/plain; version=0.0.4",
        "# TYPE asked_total counter\n# HELP asked_total Questions.\nasked_total 1\n# TYPE running gauge\n# HELP running Now.\nrunning 1\n",
    ),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        media_type, text = formats[self.path]
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
target = {"targets": [f"127.0.0.1:{server.server_port}"]}
with open("prometheus.yml", "w") as file:
    json.dump({"global": {"scrape_interval": "2s", "scrape_timeout": "1s"}, "scrape_configs": [
        {"job_name": path[1:], "metrics_path": path, "static_configs": [target]} for path in formats]}, file)
process = subprocess.Popen(
    ["root/usr/bin/prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ask(path, **query):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}") as answer:
        return json.load(answer)["data"]


try:
    time.sleep(9)
    series = {each["metric"]["job"] for each in ask("query", query="asked_total")["result"]}
    assert series == {"openmetrics", "text"}, "both should have the series"
    for name, expected in {"running": "gauge / gauge", "asked_total": "none / counter", "asked": "counter / none"}.items():
        found = [ask("targets/metadata", metric=name, match_target=f'{{job="{path[1:]}"}}') for path in formats]
        seen = " / ".join(each[0]["type"] if each else "none" for each in found)
        print(f"{name}: {seen}")
        assert seen == expected, f"changed: {name}"
finally:
    process.terminate()
    process.wait()
PY
python3 try.py
