//! Signatures of tokens: the algorithms that are taken, and public keys that verify with them
//! (RFC 7518 section 3, RFC 8037 section 3.1).

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

/// How a token is signed.
#[derive(Debug)]
pub(super) struct Algorithm {
    pub(super) name: &'static str,
    pub(super) key_kind: KeyKind,
    verifier: SignatureVerifier,
}

/// The kind of key that an algorithm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A public key.
#[derive(Debug)]
pub(super) enum PublicKey {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A point on a curve, encoded as the curve's algorithm has it.
    Point(Vec<u8>),
}

/// How ring verifies with an algorithm.
#[derive(Debug)]
enum SignatureVerifier {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

/// The algorithms that are taken. What is not here is refused: `none`, and whatever takes a shared
/// secret, since a public key would serve as one.
static ALGORITHMS: [Algorithm; 9] = [
    Algorithm::rsa("RS256", &RSA_PKCS1_2048_8192_SHA256),
    Algorithm::rsa("RS384", &RSA_PKCS1_2048_8192_SHA384),
    Algorithm::rsa("RS512", &RSA_PKCS1_2048_8192_SHA512),
    Algorithm::rsa("PS256", &RSA_PSS_2048_8192_SHA256),
    Algorithm::rsa("PS384", &RSA_PSS_2048_8192_SHA384),
    Algorithm::rsa("PS512", &RSA_PSS_2048_8192_SHA512),
    Algorithm::point("ES256", KeyKind::P256, &ECDSA_P256_SHA256_FIXED),
    Algorithm::point("ES384", KeyKind::P384, &ECDSA_P384_SHA384_FIXED),
    Algorithm::point("EdDSA", KeyKind::Ed25519, &ED25519),
];

impl Algorithm {
    const fn rsa(name: &'static str, by: &'static RsaParameters) -> Self {
        Self { name, key_kind: KeyKind::Rsa, verifier: SignatureVerifier::Rsa(by) }
    }

    const fn point(
        name: &'static str,
        key_kind: KeyKind,
        by: &'static dyn VerificationAlgorithm,
    ) -> Self {
        Self { name, key_kind, verifier: SignatureVerifier::Point(by) }
    }

    /// The algorithm of a name, if it is taken.
    pub(super) fn of_name(name: &str) -> Option<&'static Self> {
        // The same by the name that says which curve (RFC 9864 section 2.2).
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        ALGORITHMS.iter().find(|algorithm| algorithm.name == name)
    }
}

impl PublicKey {
    /// Whether the key's private half made the signature. False for a key of another kind than the
    /// algorithm takes.
    pub(super) fn has_signed(
        &self,
        algorithm: &Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match (self, &algorithm.verifier) {
            (Self::Rsa(key), SignatureVerifier::Rsa(by)) => {
                key.verify(by, message, signature).is_ok()
            }
            (Self::Point(point), SignatureVerifier::Point(by)) => {
                UnparsedPublicKey::new(*by, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}
