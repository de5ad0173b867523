#!/usr/bin/env bash
# Varnish answers 503 when the server sends anything before its answer: early hints, 102 or a 100 that was not asked for.
#
# Software: Debian 12 varnish 7.1.1-2+deb12u1; control: Debian 12 haproxy 2.6.12-1+deb12u4, and varnish without an interim answer.
# Expected: RFC 9110, section 15.2: a client must be able to parse one or more 1xx answers before the final one, even if it
#   does not expect any, and a proxy must forward them.
# Seen: each of them makes the request fail, although the final answer is a 200. A server that begins to send early hints, or
#   102 while it works, is down for all who come through Varnish.
# Output (2026-11-30), status that the client gets:
#   haproxy: none 200, 100 200, 102 200, 103 200
#   varnish: none 200, 100 503, 102 503, 103 503
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 \
  varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 libjemalloc2 >apt.log 2>&1
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >try.py <<'PY'
import http.client
import http.server
import os
import socket
import subprocess
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        interim = {"/100": "100 Continue", "/102": "102 Processing", "/103": "103 Early Hints"}.get(self.path)
        if interim:
            self.wfile.write(f"HTTP/1.1 {interim}\r\n\r\n".encode())
        self.send_response(200)
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
ports = {name: free() for name in ("haproxy", "varnish")}
with open("haproxy.cfg", "w") as file:
    file.write(f"""defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 2s
frontend f
  bind 127.0.0.1:{ports["haproxy"]}
  default_backend b
backend b
  server s 127.0.0.1:{server.server_port}
""")
with open("varnish.vcl", "w") as file:
    file.write(f'vcl 4.1; backend default {{ .host = "127.0.0.1"; .port = "{server.server_port}"; }}')
libraries = os.path.abspath("root/usr/lib/x86_64-linux-gnu")
environment = {**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{libraries}/varnish"}
processes = [
    subprocess.Popen(["root/usr/sbin/haproxy", "-q", "-f", "haproxy.cfg"], env=environment),
    subprocess.Popen(["root/usr/sbin/varnishd", "-F", "-j", "none", "-n", os.path.abspath("varnish"), "-a", f"127.0.0.1:{ports['varnish']}",
                      "-f", os.path.abspath("varnish.vcl"), "-p", "default_grace=0", "-s", "malloc,8m"],
                     env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
]
try:
    time.sleep(4)
    for name, expected in {"haproxy": "200 200 200 200", "varnish": "200 503 503 503"}.items():
        seen = []
        for path in ("none", "100", "102", "103"):
            client = http.client.HTTPConnection("127.0.0.1", ports[name], timeout=20)
            client.request("GET", f"/{path}", headers={"Connection": "close"})
            head = client.sock.makefile("rb").read().decode()
            status = next(line.split(" ")[1] for line in head.split("\r\n") if line.startswith("HTTP/1.1 ") and line[9] != "1")
            seen.append((path, status))
        print(f"{name}: {', '.join(f'{path} {status}' for path, status in seen)}")
        assert " ".join(status for _, status in seen) == expected, f"changed: {name}"
finally:
    for process in processes:
        process.terminate()
        process.wait()
PY
python3 try.py
