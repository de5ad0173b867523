#!/usr/bin/env bash
# The caches of nginx and HAProxy keep an answer for its whole max-age, however old it was when it came.
#
# Software: Debian 12 nginx 1.22.1-9+deb12u11 (proxy_cache), haproxy 2.6.12-1+deb12u4 (cache); control: Debian 12 varnish
#   7.1.1-2+deb12u1 (grace 0).
# Expected: RFC 9111, section 4.2: an answer is fresh while its max-age is greater than its current age, and by section 4.2.3
#   that one contains the Age that it came with.
# Seen: an answer with "Age: 59, max-age=60" has one second left, but both give it out for another minute. HAProxy says so with
#   an Age beyond max-age, nginx does not. Behind such a proxy and another cache data gets older than the server allowed.
# Output (2026-11-30), two seconds after the first read, questions / Age:
#   varnish: 2 / 59
#   haproxy: 1 / 61
#   nginx: 1 / 59
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download nginx=1.22.1-9+deb12u11 haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 \
  varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 libjemalloc2 >apt.log 2>&1
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
        self.send_header("Age", "59")
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
ports = {name: free() for name in ("varnish", "haproxy", "nginx")}
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
with open("varnish.vcl", "w") as file:
    file.write(f'vcl 4.1; backend default {{ .host = "127.0.0.1"; .port = "{server.server_port}"; }}')
libraries = os.path.abspath("root/usr/lib/x86_64-linux-gnu")
environment = {**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{libraries}/varnish"}
processes = [
    subprocess.Popen(["root/usr/sbin/nginx", "-p", os.getcwd() + "/", "-e", "nginx.err", "-c", "nginx.conf"]),
    subprocess.Popen(["root/usr/sbin/haproxy", "-q", "-f", "haproxy.cfg"], env=environment),
    subprocess.Popen(["root/usr/sbin/varnishd", "-F", "-j", "none", "-n", os.path.abspath("varnish"), "-a", f"127.0.0.1:{ports['varnish']}",
                      "-f", os.path.abspath("varnish.vcl"), "-p", "default_grace=0", "-s", "malloc,8m"],
                     env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
]
try:
    time.sleep(4)
    for name, expected in {"varnish": 2, "haproxy": 1, "nginx": 1}.items():
        for pause in (2, 0):
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[name]}/{name}") as answer:
                age = answer.headers["Age"]
            time.sleep(pause)
        print(f"{name}: {count['/' + name]} / {age}")
        assert count["/" + name] == expected, f"changed: {name}"
finally:
    for process in processes:
        process.terminate()
        process.wait()
PY
python3 try.py
