#!/usr/bin/env bash
# The cache of nginx gives its answers out as new: with a Date of now, and without an Age or with that of the first time.
#
# Software: Debian 12 nginx 1.22.1-9+deb12u11 (proxy_cache); control: Debian 12 haproxy 2.6.12-1+deb12u4 (cache).
# Expected: RFC 9111, sections 4 and 5.1: a cache sends an Age with what it has stored, and it is the Age that the answer came
#   with plus the time since. Date is the time at which the origin made the answer (RFC 9110, section 6.6.1).
# Seen: nginx replaces the Date at each read, adds no Age and passes on a stored one as it was. A client with a cache of its
#   own keeps the data for another max-age, so it may show what is twice as old as the server allowed.
# Output (2026-11-30), two seconds after the first read, Age / Date kept or moved:
#   haproxy, without Age: 2 / kept
#   nginx, without Age: none / moved
#   haproxy, with Age 30: 32 / kept
#   nginx, with Age 30: 30 / moved
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download nginx=1.22.1-9+deb12u11 haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 >apt.log 2>&1
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >try.py <<'PY'
import collections
import http.server
import os
import socket
import subprocess
import threading
import time
import urllib.request

count = collections.Counter()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        count[self.path] += 1
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=60")
        if self.path.endswith("/30"):
            self.send_header("Age", "30")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, *args):
        pass


def free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
server.handle_error = lambda *args: None
ports = {"haproxy": free(), "nginx": free()}
with open("nginx.conf", "w") as file:
    file.write(f"""daemon off; pid nginx.pid; error_log nginx.err; events {{}}
http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  proxy_cache_path cache keys_zone=c:1m;
  server {{ listen 127.0.0.1:{ports["nginx"]}; location / {{ proxy_pass http://127.0.0.1:{server.server_port}; proxy_cache c; }} }} }}
""")
with open("haproxy.cfg", "w") as file:
    file.write(f"""defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 2s
cache c
  total-max-size 4
  max-age 600
frontend f
  bind 127.0.0.1:{ports["haproxy"]}
  http-request cache-use c
  http-response cache-store c
  default_backend b
backend b
  server s 127.0.0.1:{server.server_port}
""")
environment = {**os.environ, "LD_LIBRARY_PATH": os.path.abspath("root/usr/lib/x86_64-linux-gnu")}
processes = [
    subprocess.Popen(["root/usr/sbin/nginx", "-p", os.getcwd() + "/", "-e", "nginx.err", "-c", "nginx.conf"]),
    subprocess.Popen(["root/usr/sbin/haproxy", "-q", "-f", "haproxy.cfg"], env=environment),
]
try:
    time.sleep(2)
    seen = {}
    for path, label in {"/none": "without Age", "/30": "with Age 30"}.items():
        for name in ports:
            headers = []
            for pause in (2, 0):
                with urllib.request.urlopen(f"http://127.0.0.1:{ports[name]}{path}") as answer:
                    headers.append(answer.headers)
                time.sleep(pause)
            date = "kept" if headers[0]["Date"] == headers[1]["Date"] else "moved"
            seen[name, path] = (headers[1]["Age"], date)
            print(f"{name}, {label}: {headers[1]['Age'] or 'none'} / {date}")
    assert count == {"/none": 2, "/30": 2}, "each proxy should have asked once"
    assert seen["haproxy", "/none"] in [(age, "kept") for age in ("1", "2", "3")], "the control has changed"
    assert seen["haproxy", "/30"] in [(age, "kept") for age in ("31", "32", "33")], "the control has changed"
    assert seen["nginx", "/none"] == (None, "moved"), "the behaviour has changed"
    assert seen["nginx", "/30"] == ("30", "moved"), "the behaviour has changed"
finally:
    for process in processes:
        process.terminate()
        process.wait()
PY
python3 try.py
