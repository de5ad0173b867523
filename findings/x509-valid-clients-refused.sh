#!/usr/bin/env bash
# The verifier of the Python package cryptography refuses three kinds of valid client certificates with a SPIFFE ID.
#
# Software: PyPI cryptography 50.0.2; control: the command openssl verify (seen with 3.0.19), and the same
#   verifier with a plain certificate.
# Expected: RFC 5280, section 4.2.1.6: beside a subject the alternative name SHOULD be non-critical, so it may be; section
#   4.2.1.12: the extended key usage may be critical or not, at the issuer's option; section 4.2.1.10: applications SHOULD
#   be able to process name constraints on URIs.
# Seen: VerificationError for each of the three; openssl accepts all.
# Output (2026-11-30):
#   plain: openssl accepts, cryptography accepts
#   critical SAN beside a subject: openssl accepts, cryptography refuses (subjectAltName MUST NOT be critical)
#   critical EKU: openssl accepts, cryptography refuses (2.5.29.37: Certificate extension has incorrect criticality)
#   CA permits the URIs of a host: openssl accepts, cryptography refuses (unsupported name constraint)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --quiet install cryptography==50.0.2

cat >try.py <<'PY'
import datetime
import subprocess
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

now = datetime.datetime.now(datetime.timezone.utc)
keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "client")}


def certificate(name, extensions):
    subject, issuer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, "ca"))
    builder = x509.CertificateBuilder(issuer, subject, keys[name].public_key(), 7, now, now + datetime.timedelta(1))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    made = builder.sign(keys["ca"], hashes.SHA256())
    with open(f"{name}.pem", "wb") as file:
        file.write(made.public_bytes(serialization.Encoding.PEM))
    return made


def check(name, reason, san_critical=False, eku_critical=False, constraints=()):
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca = certificate("ca", [(x509.BasicConstraints(True, None), True), (usage, True), *constraints])
    client = certificate("client", [
        (x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://example.org/a")]), san_critical),
        (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), eku_critical),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["ca"].public_key()), False),
    ])
    command = ["openssl", "verify", "-purpose", "sslclient", "-CAfile", "ca.pem", "client.pem"]
    subprocess.run(command, check=True, capture_output=True)
    try:
        PolicyBuilder().store(Store([ca])).build_client_verifier().verify(client, [])
        seen = "accepts"
    except VerificationError as error:
        assert reason and reason in str(error), str(error)
        seen = f"refuses ({reason})"
    print(f"{name}: openssl accepts, cryptography {seen}")
    assert seen.startswith("refuses") == bool(reason), f"changed: {name}"


check("plain", None)
check("critical SAN beside a subject", "subjectAltName MUST NOT be critical", san_critical=True)
check("critical EKU", "2.5.29.37: Certificate extension has incorrect criticality", eku_critical=True)
host = x509.NameConstraints([x509.UniformResourceIdentifier("example.org")], None)
check("CA permits the URIs of a host", "unsupported name constraint", constraints=[(host, True)])
PY
venv/bin/python try.py
