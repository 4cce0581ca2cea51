//! AES-256-GCM under a key of its own for every place something is sealed at.
//!
//! From a parent key, HKDF (RFC 5869) derives one key per context, the text that names the place. A context is sealed at
//! once, or again when its parent key changes, so no derived key ever meets the bound on random nonces (SEC-03:
//! SP 800-38D §8.3 allows 2³² messages a key). The context is the associated data, too: what was sealed at one place opens
//! at no other.

use aes_gcm::aead::{Aead as _, Nonce, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use rand::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

/// 256 bits of key. They leave memory when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// First byte of everything sealed, so that the format can change.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 12;

/// A key from the generator.
pub fn random_key(rng: &mut impl CryptoRng) -> Key {
    let mut key = Key::default();
    rng.fill_bytes(key.as_mut_slice());
    key
}

/// The key of `context` under `parent`.
#[must_use]
pub fn derive(parent: &[u8; 32], context: &str) -> Key {
    let mut derived = Key::default();
    // The only error is an output longer than 8,160 bytes.
    let expanded = Hkdf::<Sha256>::new(None, parent).expand(context.as_bytes(), derived.as_mut_slice());
    debug_assert!(expanded.is_ok());
    derived
}

/// `FORMAT ‖ nonce ‖ ciphertext ‖ tag` of `plain` under the key of `context`; `None` only for plaintexts of 64 GiB.
pub fn seal(parent: &[u8; 32], context: &str, plain: &[u8], rng: &mut impl CryptoRng) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);
    let payload = Payload { msg: plain, aad: context.as_bytes() };
    let cipher = Aes256Gcm::new((&*derive(parent, context)).into());
    let sealed = cipher.encrypt(&Nonce::<Aes256Gcm>::from(nonce), payload).ok()?;
    Some([[FORMAT].as_slice(), &nonce, &sealed].concat())
}

/// What [`seal`] sealed under the same parent and context; `None` for anything else.
#[must_use]
pub fn open(parent: &[u8; 32], context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.strip_prefix(&[FORMAT])?.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: sealed, aad: context.as_bytes() };
    let cipher = Aes256Gcm::new((&*derive(parent, context)).into());
    cipher.decrypt(&Nonce::<Aes256Gcm>::from(*nonce), payload).ok().map(Zeroizing::new)
}

/// Opens a key that was sealed; `None` for anything else.
#[must_use]
pub fn open_key(parent: &[u8; 32], context: &str, sealed: &[u8]) -> Option<Key> {
    open(parent, context, sealed)?.as_slice().try_into().ok().map(Zeroizing::new)
}
