//! The `latchkey` command: the local server, and what an operator needs for a deployment, one file per command family.
//!
//! Its library starts the same assembly for tests.

mod audit;
pub mod command;
pub mod console;
pub mod deployment;
pub mod doctor;
pub mod env;
pub mod error;
pub mod factors;
pub mod foreground;
pub mod init;
pub mod keyring;
pub mod keys;
pub mod serve;
