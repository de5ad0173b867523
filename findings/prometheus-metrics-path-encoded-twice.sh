#!/usr/bin/env bash
# Prometheus encodes the __metrics_path__ of a target once more, so a path with an encoded character cannot be scraped.
#
# Software: Debian 12 prometheus 2.42.0+ds-5+deb12u1 (http_sd_configs); control: the same value as __param_name.
# Expected: Prometheus' documentation calls __metrics_path__ the metrics path of the target, and RFC 3986, section 2.4: an
#   implementation must not percent-encode the same string more than once.
# Seen: "/a%2Fb" is asked for as "/a%252Fb": another resource. The value must be the decoded one, and there is none for a
#   slash within a segment: give such an id as a parameter. A question mark is encoded as well.
# Output (2026-11-30), what the target is asked for:
#   __param_id a/b: /metrics?id=a%2Fb
#   __metrics_path__ /a%2Fb: /a%252Fb
#   __metrics_path__ /a b: /a%20b
#   __metrics_path__ /a?b=c: /a%3Fb=c
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

cases = [
    ("__param_id", "a/b", "/metrics?id=a%2Fb"),
    ("__metrics_path__", "/a%2Fb", "/a%252Fb"),
    ("__metrics_path__", "/a b", "/a%20b"),
    ("__metrics_path__", "/a?b=c", "/a%3Fb=c"),
]
asked = set()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        targets = []
        if self.path == "/targets":
            own = f"127.0.0.1:{server.server_port}"
            targets = [{"targets": [own], "labels": {label: value}} for label, value, _ in cases]
        else:
            asked.add(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if targets else "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(json.dumps(targets).encode() if targets else b"up_to_date 1\n")

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
with open("prometheus.yml", "w") as file:
    json.dump({"global": {"scrape_interval": "2s", "scrape_timeout": "1s"}, "scrape_configs": [
        {"job_name": "a", "http_sd_configs": [{"url": f"http://127.0.0.1:{server.server_port}/targets"}]}]}, file)
process = subprocess.Popen(
    ["root/usr/bin/prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    time.sleep(12)
    for label, value, expected in cases:
        print(f"{label} {value}: {expected if expected in asked else 'not seen'}")
        assert expected in asked, f"changed: {label} {value}: {asked}"
    assert len(asked) == len(cases), f"changed: {asked}"
finally:
    process.terminate()
    process.wait()
PY
python3 try.py
