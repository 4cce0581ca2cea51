//! See `tests::properties::body`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::body(data));
