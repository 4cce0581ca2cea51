//! AES-256-GCM with a separate derived key for each context.
//!
//! HKDF (RFC 5869) derives one key per context from a parent key. A context is a text that names what is sealed, such
//! as the secret of one factor. Each context is sealed once per parent key, so a derived key never reaches the limit
//! for random nonces (SEC-03: SP 800-38D §8.3 allows 2³² messages per key). The context is also the associated data, so
//! a ciphertext opens only in the context it was sealed for.

use aes_gcm::aead::{Aead as _, Nonce, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use rand::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A 256-bit key, zeroed when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// The version: first byte of every sealed value, so that the format can change.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// How much longer a sealed value is than its plaintext.
pub const SEAL_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// Generates a random key.
pub fn random_key(rng: &mut impl CryptoRng) -> Key {
    let mut key = Key::default();
    rng.fill_bytes(key.as_mut_slice());
    key
}

/// Derives the key of `context` from `parent`.
#[must_use]
pub fn derive(parent: &[u8; 32], context: &str) -> Key {
    let mut derived = Key::default();
    // HKDF fails only for outputs longer than 8,160 bytes.
    let expanded = Hkdf::<Sha256>::new(None, parent).expand(context.as_bytes(), derived.as_mut_slice());
    debug_assert!(expanded.is_ok());
    derived
}

/// Encrypts `plain` with the key of `context`: `FORMAT ‖ nonce ‖ ciphertext ‖ tag`. `None` only for plaintexts of 64
/// GiB.
pub fn seal(parent: &[u8; 32], context: &str, plain: &[u8], rng: &mut impl CryptoRng) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);
    let payload = Payload { msg: plain, aad: context.as_bytes() };
    let cipher = Aes256Gcm::new((&*derive(parent, context)).into());
    let sealed = cipher.encrypt(&Nonce::<Aes256Gcm>::from(nonce), payload).ok()?;
    Some([[FORMAT].as_slice(), &nonce, &sealed].concat())
}

/// Decrypts what [`seal`] encrypted with the same parent and context; `None` for anything else.
#[must_use]
pub fn open(parent: &[u8; 32], context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.strip_prefix(&[FORMAT])?.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: sealed, aad: context.as_bytes() };
    let cipher = Aes256Gcm::new((&*derive(parent, context)).into());
    cipher.decrypt(&Nonce::<Aes256Gcm>::from(*nonce), payload).ok().map(Zeroizing::new)
}

/// Decrypts a sealed key; `None` for anything else.
#[must_use]
pub fn open_key(parent: &[u8; 32], context: &str, sealed: &[u8]) -> Option<Key> {
    open(parent, context, sealed)?.as_slice().try_into().ok().map(Zeroizing::new)
}
