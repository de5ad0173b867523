#!/usr/bin/env bash
# Prometheus takes a list of targets only if its media type is spelt in one of a few ways.
#
# Software: Debian 12 prometheus 2.42.0+ds-5+deb12u1 (http_sd_configs); control: the same list as application/json with and
#   without charset=utf-8.
# Expected: RFC 9110, section 8.3.1: there may be white space before the semicolon, and further parameters; RFC 8259, section 11:
#   a parameter of application/json has no effect. Prometheus' documentation asks for Content-Type: application/json.
# Seen: "application/json ; charset=utf-8" and any parameter but charset=utf-8 are refused: the last list is kept and gets old,
#   with a line in the log only.
# Output (2026-11-30):
#   application/json: taken
#   application/json;charset=UTF-8: taken
#   application/json ; charset=utf-8: refused
#   application/json; version=1: refused
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
import urllib.request

cases = [
    ("application/json", "taken"),
    ("application/json;charset=UTF-8", "taken"),
    ("application/json ; charset=utf-8", "refused"),
    ("application/json; version=1", "refused"),
]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        media_type, _ = cases[int(self.path[1:])]
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(b'[{"targets": ["127.0.0.1:9"], "labels": {"a": "b"}}]')

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
jobs = [{"job_name": str(number), "http_sd_configs": [{"url": f"http://127.0.0.1:{server.server_port}/{number}"}]}
        for number in range(len(cases))]
with open("prometheus.yml", "w") as file:
    json.dump({"scrape_configs": jobs}, file)
process = subprocess.Popen(
    ["root/usr/bin/prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    time.sleep(12)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets") as answer:
        found = {target["scrapePool"] for target in json.load(answer)["data"]["activeTargets"]}
    for number, (media_type, expected) in enumerate(cases):
        seen = "taken" if str(number) in found else "refused"
        print(f"{media_type}: {seen}")
        assert seen == expected, f"changed: {media_type}"
finally:
    process.terminate()
    process.wait()
PY
python3 try.py
