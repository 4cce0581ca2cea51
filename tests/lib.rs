//! What the integration tests, the fuzz targets, the load test and the rig share.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::too_many_arguments,
    clippy::unwrap_used,
    reason = "a test that goes wrong panics"
)]

pub mod client;
pub mod events;
pub mod names;
pub mod properties;
