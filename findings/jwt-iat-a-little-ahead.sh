#!/usr/bin/env bash
# Three JWT libraries refuse a token whose iat is a few seconds ahead of their clock.
#
# Software: PyPI PyJWT 2.15.1, joserfc 1.8.0, Authlib 1.9.10; control: npm jose 6.2.18 and jsonwebtoken 9.0.3.
# Expected: RFC 7519, section 4.1.6: iat can be used to determine the age of the token; unlike exp and nbf nothing in the
#   RFC has a verifier reject it.
# Seen: without a leeway of its own setting, a token from an issuer whose clock is five seconds fast is refused until
#   those seconds have passed; a caller that asks for a token and uses it at once fails now and then.
# Output (2026-11-30), iat five seconds ahead:
#   jose: accepted, jsonwebtoken: accepted
#   PyJWT: ImmatureSignatureError
#   joserfc: InvalidClaimError
#   Authlib: InvalidTokenError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >npm.log
npm install --no-audit --no-fund jose@6.2.18 jsonwebtoken@9.0.3 >>npm.log 2>&1
python3 -m venv venv
venv/bin/pip --quiet install PyJWT==2.15.1 joserfc==1.8.0 Authlib==1.9.10 cryptography==50.0.2

cat >try.py <<'PY'
import subprocess
import time
import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import OctKey
from authlib.jose import JsonWebToken

KEY = "0123456789abcdef0123456789abcdef"
script = """import { jwtVerify } from 'jose';
import plain from 'jsonwebtoken';
const [token, key] = process.argv.slice(1);
await jwtVerify(token, new TextEncoder().encode(key));
plain.verify(token, key);
console.log('jose: accepted, jsonwebtoken: accepted');"""


def token(ahead):
    now = int(time.time())
    return jwt.encode({"sub": "alice", "iat": now + ahead, "exp": now + 600}, KEY, algorithm="HS256")


verify = {
    "PyJWT": lambda text: jwt.decode(text, KEY, algorithms=["HS256"]),
    "joserfc": lambda text: joserfc_jwt.JWTClaimsRegistry().validate(
        joserfc_jwt.decode(text, OctKey.import_key(KEY), algorithms=["HS256"]).claims),
    "Authlib": lambda text: JsonWebToken(["HS256"]).decode(text, KEY).validate(),
}
subprocess.run(["node", "--input-type=module", "-e", script, token(5), KEY], check=True)
for name, check in verify.items():
    check(token(-1))  # an iat in the past is fine
    try:
        check(token(5))
        seen = "accepted"
    except Exception as error:
        seen = type(error).__name__
    print(f"{name}: {seen}")
    assert seen != "accepted", f"changed: {name}"
PY
PYTHONWARNINGS=ignore venv/bin/python try.py
