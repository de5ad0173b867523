#!/usr/bin/env bash
# requests and httpx cut the address of a Link header at its first semicolon.
#
# Software: PyPI requests 2.34.2, httpx 0.28.1; control: npm http-link-header 1.1.4.
# Expected: RFC 8288, section 3: the target is all that stands between < and >; RFC 3986, section 3.3, allows a semicolon
#   in a path.
# Seen: the rest of the address becomes a parameter of the link, so the next page is asked for at another address.
# Output (2026-11-30), the link "next" of </sddcs/page;n=2>; rel="next":
#   http-link-header: /sddcs/page;n=2
#   requests: /sddcs/page
#   httpx: /sddcs/page
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund http-link-header@1.1.4 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install requests==2.34.2 httpx==0.28.1
export LINK='</sddcs/page;n=2>; rel="next"'

control=$(node -p 'require("http-link-header").parse(process.env.LINK).rel("next")[0].uri')
echo "http-link-header: $control"
[ "$control" = "/sddcs/page;n=2" ] || { echo "the control has changed"; exit 1; }

venv/bin/python - <<'PY'
import os
import httpx
import requests

first = requests.Response()
first.headers["Link"] = os.environ["LINK"]
second = httpx.Response(200, headers={"Link": os.environ["LINK"]})
for name, response in (("requests", first), ("httpx", second)):
    print(f"{name}: {response.links['next']['url']}")
    assert response.links["next"] == {"url": "/sddcs/page", "n": "2>", "rel": "next"}, "the behaviour has changed"
PY
