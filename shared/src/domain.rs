//! The rules of multi-factor authentication, independent of HTTP, storage and AWS.
//!
//! Pure: no async, no I/O, no clock, no serde, no SDK. Time and randomness are arguments.

pub mod api_key;
pub mod challenge;
pub mod code;
pub mod environment;
pub mod external_id;
pub mod factor;
pub mod guard;
pub mod id;
pub mod otpauth;
pub mod phone;
pub mod phone_log;
pub mod policy;
pub mod qr;
pub mod recovery;
pub mod scope;
pub mod sms_budget;
pub mod sms_text;
pub mod text;
pub mod time;
pub mod totp;
pub mod user;
