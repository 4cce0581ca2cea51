//! The `latchkey` command: the local server and the operators' commands, one file per command family.
//!
//! A library, so that tests can start the same server and run the same commands.

mod audit;
pub mod command;
pub mod console;
pub mod deployment;
pub mod doctor;
pub mod env;
pub mod error;
pub mod export;
pub mod factors;
pub mod foreground;
pub mod import;
pub mod init;
pub mod keyring;
pub mod keys;
mod portable;
pub mod recovery;
pub mod serve;
