//! Secrets at rest: the KMS key, the keys that it wraps, and the secrets and MACs that those keys protect.
//!
//! ```text
//! kms ─wraps─▶ keyring ─opens─▶ seal ─uses─▶ cipher
//! ```

pub mod cipher;
pub mod keyring;
pub mod kms;
pub mod seal;
