#!/usr/bin/env bash
# python-jose cannot verify an ES256 token with a set whose first key is an RSA key.
#
# Software: PyPI python-jose 3.5.0 with cryptography 50.0.2; control: joserfc 1.8.0 on the same token and set, and
#   python-jose with the set's order turned round.
# Expected: RFC 7517, section 5: the order of keys within a set implies no preference; section 4.5: kid is used to choose
#   among them. The package's jwt.decode takes a whole JWK set as its key.
# Seen: keys are tried in order, whatever their kid says, and the first of another kty ends it with JWKError. Issuers
#   that move from RSA to EC publish both kinds for a while.
# Output (2026-11-30):
#   joserfc, RSA first: alice
#   python-jose, EC first: alice
#   python-jose, RSA first: JWKError: Incorrect key type. Expected: 'EC', Received: RSA
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install python-jose==3.5.0 joserfc==1.8.0 cryptography==50.0.2

"$work/venv/bin/python" - <<'PY'
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from jose import jwt as jose
from jose.exceptions import JWKError

ec = ECKey.generate_key("P-256", {"kid": "ec"})
rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
token = jwt.encode({"alg": "ES256", "kid": "ec"}, {"sub": "alice"}, ec)
rsa_first = {"keys": [key.as_dict(private=False) for key in (rsa, ec)]}
ec_first = {"keys": rsa_first["keys"][::-1]}

control = jwt.decode(token, KeySet.import_key_set(rsa_first), algorithms=["ES256"]).claims["sub"]
print("joserfc, RSA first:", control)
other = jose.decode(token, ec_first, algorithms=["ES256"])["sub"]
print("python-jose, EC first:", other)
assert control == other == "alice", "the control has changed"
try:
    seen = jose.decode(token, rsa_first, algorithms=["ES256"])["sub"]
except JWKError as error:
    seen = f"JWKError: {error}"
print("python-jose, RSA first:", seen)
assert seen.startswith("JWKError"), "the behaviour has changed"
PY
