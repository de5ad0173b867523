#!/usr/bin/env bash
# Three Redis clients open three different databases for addresses with the number in the query.
#
# Software: PyPI redis 8.1.0, npm ioredis 6.0.0, npm redis 6.3.1, against Debian 12 redis 7.0.15; control: the number in the path.
# Expected: redis-py documents that the database may be given as ?db=4, and that this one wins over the path; a client that does
#   not know an option of an address says so.
# Seen: npm redis ignores it and works in database 0, and where there are both, ioredis takes the path and redis-py the query.
#   All are silent: two programs with the same REDIS_URL do not see each other's keys, and a FLUSHDB empties another one.
# Output (2026-11-30), database for /3 | ?db=4 | /3?db=4:
#   redis-py: 3 4 4
#   ioredis: 3 4 3
#   npm redis: 3 0 3
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download redis-tools=5:7.0.15-1~deb12u10 liblzf1 libjemalloc2 >apt.log 2>&1
for package in *.deb; do dpkg-deb -x "$package" root; done
npm init -y >npm.log
npm install --no-audit --no-fund ioredis@6.0.0 redis@6.3.1 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install redis==8.1.0

cat >try.mjs <<'JS'
import { Redis } from 'ioredis';
import { createClient } from 'redis';

const number = (info) => / db=(\d+)/.exec(info)[1];
const [, , ...addresses] = process.argv;
const seen = { ioredis: [], 'npm redis': [] };
for (const address of addresses) {
  const first = new Redis(address);
  seen.ioredis.push(number(await first.call('CLIENT', 'INFO')));
  first.disconnect();
  const second = await createClient({ url: address }).connect();
  seen['npm redis'].push(number(await second.sendCommand(['CLIENT', 'INFO'])));
  second.destroy();
}
console.log(JSON.stringify(seen));
JS
cat >try.py <<'PY'
import json
import os
import socket
import subprocess
import time
import redis

with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
# the server and redis-check-rdb are one program, told apart by its name
environment = {**os.environ, "LD_LIBRARY_PATH": os.path.abspath("root/usr/lib/x86_64-linux-gnu")}
server = subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""],
                          executable="root/usr/bin/redis-check-rdb", env=environment, stdout=subprocess.DEVNULL)
try:
    time.sleep(2)
    addresses = [f"redis://127.0.0.1:{port}{end}" for end in ("/3", "?db=4", "/3?db=4")]
    seen = {"redis-py": [redis.Redis.from_url(address).client_info()["db"] for address in addresses]}
    seen.update(json.loads(subprocess.check_output(["node", "try.mjs", *addresses])))
    for name, expected in {"redis-py": "3 4 4", "ioredis": "3 4 3", "npm redis": "3 0 3"}.items():
        line = " ".join(str(each) for each in seen[name])
        print(f"{name}: {line}")
        assert line == expected, f"changed: {name}"
finally:
    server.terminate()
    server.wait()
PY
venv/bin/python try.py
