//! See `properties::body`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::body(data));
