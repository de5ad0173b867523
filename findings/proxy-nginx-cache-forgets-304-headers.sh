#!/usr/bin/env bash
# After a 304 nginx gives out the header fields of the first answer for ever.
#
# Software: Debian 12 nginx 1.22.1-9+deb12u11 (proxy_cache with proxy_cache_revalidate); control: Debian 12 varnish
#   7.1.1-2+deb12u1 (grace 0).
# Expected: RFC 9111, section 3.2: the stored fields are replaced by those of the 304.
# Seen: nginx renews how long it keeps the answer, but each reader gets the old fields, also the one whose read caused the 304:
#   an id of the revision, a Last-Modified, a Warning or a new Cache-Control of a server whose data stay the same never arrives.
# Output (2026-11-30), field X-Revision of three reads with the second and third after a 304:
#   varnish: 1 2 3
#   nginx: 1 1 1
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
        known = "If-None-Match" in self.headers
        self.send_response(304 if known else 200)
        self.send_header("Cache-Control", "max-age=1")
        self.send_header("ETag", '"a"')
        self.send_header("X-Revision", str(count[self.path]))
        if not known:
            self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"" if known else b"x")

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
  server {{ listen 127.0.0.1:{ports["nginx"]}; location / {{ proxy_pass http://127.0.0.1:{server.server_port}; proxy_cache c; proxy_cache_revalidate on; }} }} }}
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
    for name, expected in {"varnish": "1 2 3", "nginx": "1 1 1"}.items():
        seen = []
        for pause in (2.2, 2.2, 0):
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[name]}/{name}") as answer:
                assert answer.read() == b"x"
                seen.append(answer.headers["X-Revision"])
            time.sleep(pause)
        print(f"{name}: {' '.join(seen)}")
        assert count["/" + name] == 3, "each should have asked three times"
        assert " ".join(seen) == expected, f"changed: {name}"
finally:
    for process in processes:
        process.terminate()
        process.wait()
PY
python3 try.py
