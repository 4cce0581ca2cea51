//! Secrets at rest: the root of trust, the keys under it, and what is sealed with them.
//!
//! ```text
//! kms ─wraps─▶ keyring ─opens─▶ seal ─uses─▶ cipher
//! ```

pub mod cipher;
pub mod keyring;
pub mod kms;
pub mod seal;
