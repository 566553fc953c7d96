//! Signatures of keys on the curve P-521, which ring cannot verify and registries' own authorities use.

use std::sync::LazyLock;

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use p521::ecdsa::{DerSignature, VerifyingKey};
use rustls::SignatureScheme;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// ring's cryptography, and P-521 beside it.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        signature_verification_algorithms: *ALGORITHMS,
        ..ring::default_provider()
    }
}

static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let own: [Algorithm; 3] = [&P521_SHA512, &P521_SHA384, &P521_SHA256];
    let of_ring = ring::default_provider().signature_verification_algorithms;
    let mut all = of_ring.all.to_vec();
    all.extend(own);
    let mut mapping = of_ring.mapping.to_vec();
    // A handshake names the hash with the curve; a certificate may be signed with another hash.
    mapping.push((
        SignatureScheme::ECDSA_NISTP521_SHA512,
        Vec::from(&own[..1]).leak(),
    ));
    WebPkiSupportedAlgorithms {
        all: all.leak(),
        mapping: mapping.leak(),
    }
});

static P521_SHA256: P521 = P521 {
    signature: alg_id::ECDSA_SHA256,
    hash: |message| Sha256::digest(message).to_vec(),
};
static P521_SHA384: P521 = P521 {
    signature: alg_id::ECDSA_SHA384,
    hash: |message| Sha384::digest(message).to_vec(),
};
static P521_SHA512: P521 = P521 {
    signature: alg_id::ECDSA_SHA512,
    hash: |message| Sha512::digest(message).to_vec(),
};

#[derive(Debug)]
struct P521 {
    signature: AlgorithmIdentifier,
    hash: fn(&[u8]) -> Vec<u8>,
}

impl SignatureVerificationAlgorithm for P521 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::try_from(signature).map_err(|_| InvalidSignature)?;
        key.verify_prehash(&(self.hash)(message), &signature)
            .map_err(|_| InvalidSignature)
    }
}
