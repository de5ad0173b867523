#!/usr/bin/env bash
# Varnish sees a match in If-None-Match only where the field holds nothing else.
#
# Software: Debian 12 varnish 7.1.1-2+deb12u1; control: Debian 12 nginx 1.22.1-9+deb12u11 (proxy_cache), both with the answer
#   in their store.
# Expected: RFC 9110, section 13.1.2: the field is "*" or a list of entity tags; a cache that has the answer should send 304
#   when one of them matches (RFC 9111, section 4.3.2).
# Seen: Varnish sends the whole answer again for a list of two tags and for "*". A client that keeps two versions, or a cache
#   between that joins the tags it has stored, is never told that one of them still holds.
# Output (2026-11-30), status for If-None-Match of W/"1" | "1" | "0", "1" | *:
#   nginx: 304 304 304 304
#   varnish: 304 304 200 200
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
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("ETag", 'W/"1"')
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
ports = {name: free() for name in ("varnish", "nginx")}
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
    subprocess.Popen(["root/usr/sbin/varnishd", "-F", "-j", "none", "-n", os.path.abspath("varnish"), "-a", f"127.0.0.1:{ports['varnish']}",
                      "-f", os.path.abspath("varnish.vcl"), "-p", "default_grace=0", "-s", "malloc,8m"],
                     env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
]
try:
    time.sleep(4)
    for name, expected in {"nginx": "304 304 304 304", "varnish": "304 304 200 200"}.items():
        seen = []
        for tags in (None, 'W/"1"', '"1"', '"0", "1"', "*"):
            request = urllib.request.Request(f"http://127.0.0.1:{ports[name]}/{name}", headers={"If-None-Match": tags} if tags else {})
            try:
                with urllib.request.urlopen(request) as answer:
                    seen.append(str(answer.status))
            except urllib.error.HTTPError as error:
                seen.append(str(error.code))
        print(f"{name}: {' '.join(seen[1:])}")
        assert count["/" + name] == 1, "the origin should be asked once"
        assert " ".join(seen[1:]) == expected, f"changed: {name}"
finally:
    for process in processes:
        process.terminate()
        process.wait()
PY
python3 try.py
