//! See `tests::properties::id`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::id(data));
