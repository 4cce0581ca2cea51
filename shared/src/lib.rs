//! The core of Latchkey: everything the four functions and the local server are made of.
//!
//! ```text
//! http ─▶ core ─▶ {vault, sms} ─▶ store ─▶ domain
//! ```
//!
//! [`domain`] is pure: no I/O, no clock, no randomness of its own. [`ports`] is where time and randomness enter.
//! [`store`], [`sms`] and [`vault::kms`] are the only ways out. [`http`] is the wire contract, one file per endpoint.

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
