#!/usr/bin/env bash
# Varnish answers with stale data for ten seconds even where the server has forbidden it.
#
# Software: Debian 12 varnish 7.1.1-2+deb12u1 (its own VCL and parameters); control: Debian 12 nginx 1.22.1-9+deb12u11
#   (proxy_cache), and varnish with default_grace=0.
# Expected: RFC 9111, section 5.2.2.2: once an answer with must-revalidate is stale it must not be used for another request
#   before the origin has been asked.
# Seen: the read after it got stale is answered from the store, with an Age greater than max-age, and only then is the origin
#   asked in the background. Who reads every few seconds gets old data at each first read.
# Output (2026-11-30), reads at 0 and 2 seconds of "max-age=1, must-revalidate", body / Age of the second:
#   nginx: 2 / none
#   varnish with default_grace=0: 2 / 0
#   varnish: 1 / 2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download nginx=1.22.1-9+deb12u11 varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 libjemalloc2 >apt.log 2>&1
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
        body = str(count[self.path]).encode()
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=1, must-revalidate")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
server.handle_error = lambda *args: None
ports = {name: free() for name in ("nginx", "strict", "varnish")}
with open("nginx.conf", "w") as file:
    file.write(f"""daemon off; pid nginx.pid; error_log nginx.err; events {{}}
http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  proxy_cache_path cache keys_zone=c:1m;
  server {{ listen 127.0.0.1:{ports["nginx"]}; location / {{ proxy_pass http://127.0.0.1:{server.server_port}; proxy_cache c; }} }} }}
""")
with open("varnish.vcl", "w") as file:
    file.write(f'vcl 4.1; backend default {{ .host = "127.0.0.1"; .port = "{server.server_port}"; }}')
libraries = os.path.abspath("root/usr/lib/x86_64-linux-gnu")
environment = {**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{libraries}/varnish"}
processes = [
    subprocess.Popen(["root/usr/sbin/nginx", "-p", os.getcwd() + "/", "-e", "nginx.err", "-c", "nginx.conf"]),
]
for name, options in {"strict": ["-p", "default_grace=0"], "varnish": []}.items():
    processes.append(subprocess.Popen(
        ["root/usr/sbin/varnishd", "-F", "-j", "none", "-n", os.path.abspath(name), "-a", f"127.0.0.1:{ports[name]}",
         "-f", os.path.abspath("varnish.vcl"), "-s", "malloc,8m", *options],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
try:
    time.sleep(5)
    for name, expected in {"nginx": "2", "strict": "2", "varnish": "1"}.items():
        for pause in (2.2, 0):
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[name]}/{name}") as answer:
                seen, age = answer.read().decode(), answer.headers["Age"]
            time.sleep(pause)
        print(f"{name.replace('strict', 'varnish with default_grace=0')}: {seen} / {age or 'none'}")
        assert seen == expected, f"changed: {name}"
finally:
    for process in processes:
        process.terminate()
        process.wait()
PY
python3 try.py
