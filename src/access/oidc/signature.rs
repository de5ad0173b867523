//! Signatures of tokens: the algorithms that are taken, and public keys that verify with them
//! (RFC 7518 section 3, RFC 8037 section 3.1).

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
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

/// Names of the algorithms that are taken. What is not here is refused: `none`, and whatever takes a
/// shared secret, since a public key would serve as one.
const ALGORITHMS: [(&str, Algorithm); 10] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
    // The same by the name that says which curve (RFC 9864 section 2.2).
    ("Ed25519", Algorithm::EdDsa),
];

/// How ring verifies with an algorithm.
enum SignatureVerifier {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

impl Algorithm {
    /// The algorithm of a name, if it is taken.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|(taken, _)| *taken == name).map(|(_, algorithm)| *algorithm)
    }

    pub(super) const fn key_kind(self) -> KeyKind {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                KeyKind::Rsa
            }
            Self::Es256 => KeyKind::P256,
            Self::Es384 => KeyKind::P384,
            Self::EdDsa => KeyKind::Ed25519,
        }
    }

    fn verifier(self) -> SignatureVerifier {
        match self {
            Self::Rs256 => SignatureVerifier::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => SignatureVerifier::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => SignatureVerifier::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => SignatureVerifier::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => SignatureVerifier::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => SignatureVerifier::Rsa(&RSA_PSS_2048_8192_SHA512),
            Self::Es256 => SignatureVerifier::Point(&ECDSA_P256_SHA256_FIXED),
            Self::Es384 => SignatureVerifier::Point(&ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => SignatureVerifier::Point(&ED25519),
        }
    }
}

impl PublicKey {
    /// Whether the key's private half made the signature. False for a key of another kind than the
    /// algorithm takes.
    pub(super) fn has_signed(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match (self, algorithm.verifier()) {
            (Self::Rsa(key), SignatureVerifier::Rsa(by)) => {
                key.verify(by, message, signature).is_ok()
            }
            (Self::Point(point), SignatureVerifier::Point(by)) => {
                UnparsedPublicKey::new(by, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}
