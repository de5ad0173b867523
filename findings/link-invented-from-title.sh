#!/usr/bin/env bash
# requests and httpx find a link inside the quoted title of another one.
#
# Software: PyPI requests 2.34.2, httpx 0.28.1; control: npm http-link-header 1.1.4.
# Expected: RFC 8288, section 3, and RFC 9110, section 5.6.4: a comma and < within a quoted string are text.
# Seen: the title is cut at the comma and what follows is read as one more link, under a name that comes from
#   free text. aiohttp 3.14.5 splits the same way.
# Output (2026-11-30), for </sddcs?page=2>; rel="next"; title="hosts, <all>":
#   http-link-header: 1 link, title: hosts, <all>
#   requests: {'next': {'url': '/sddcs?page=2', 'rel': 'next', 'title': 'hosts'}, 'all': {'url': 'all'}}
#   httpx: {'next': {'url': '/sddcs?page=2', 'rel': 'next', 'title': 'hosts'}, 'all': {'url': 'all'}}
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund http-link-header@1.1.4 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install requests==2.34.2 httpx==0.28.1
export LINK='</sddcs?page=2>; rel="next"; title="hosts, <all>"'

control=$(node -p 'const { refs } = require("http-link-header").parse(process.env.LINK); refs.length + " link, title: " + refs[0].title')
echo "http-link-header: $control"
[ "$control" = "1 link, title: hosts, <all>" ] || { echo "the control has changed"; exit 1; }

venv/bin/python - <<'PY'
import os
import httpx
import requests

first = requests.Response()
first.headers["Link"] = os.environ["LINK"]
second = httpx.Response(200, headers={"Link": os.environ["LINK"]})
expected = {"next": {"url": "/sddcs?page=2", "rel": "next", "title": "hosts"}, "all": {"url": "all"}}
for name, response in (("requests", first), ("httpx", second)):
    print(f"{name}: {response.links}")
    assert response.links == expected, "the behaviour has changed"
PY
