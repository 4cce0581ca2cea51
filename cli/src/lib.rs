//! The `latchkey` command: the local server. Its library starts the same assembly for tests.

pub mod serve;
