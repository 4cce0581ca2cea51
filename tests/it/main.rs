//! Latchkey as its clients see it: the whole local server over HTTP, the real clients, the embedded engine.
//!
//! One file per behaviour; [`app`] is how a test arranges and acts in a line each. A test for a row of the security
//! requirements carries the row's id in its name or its comment.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that goes wrong fails"
)]
#![expect(clippy::too_many_arguments, reason = "a table-driven test takes its columns as arguments")]

mod app;
mod architecture;
mod audit;
mod canary;
mod challenge;
mod cli;
mod compatibility;
mod contract;
mod cost;
mod crash;
mod documents;
mod engines;
mod enroll;
mod events;
mod examples;
mod expiry;
mod factors;
mod faults;
mod fuzz;
mod keyring;
mod keys;
#[path = "../../examples/testing/rust/login.rs"]
mod library;
mod local;
mod locks;
mod moto;
mod openapi;
mod phone;
mod proof;
mod races;
mod recovery;
mod release;
mod replay;
mod sms;
mod supply;
mod template;
mod tenancy;
mod types;
mod verify;
mod wire;
mod writes;
