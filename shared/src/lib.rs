//! The core of Latchkey, shared by the four Lambda functions, the local server and the command line.
//!
//! ```text
//! http ─▶ core ─▶ {vault, sms} ─▶ store ─▶ domain
//! ```
//!
//! [`domain`] is pure: it does no I/O and takes time and randomness as arguments. [`ports`] provides both. Only
//! [`store`], [`sms`], [`vault::kms`] and [`operate`] call other services. [`http`] implements the wire contract, one
//! file per endpoint.

#![cfg_attr(
    test,
    expect(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test that overflows fails")
)]

pub mod aws;
pub mod config;
pub mod core;
pub mod domain;
pub mod http;
pub mod lambda;
pub mod logs;
pub mod operate;
pub mod ports;
pub mod sms;
pub mod store;
pub mod vault;
