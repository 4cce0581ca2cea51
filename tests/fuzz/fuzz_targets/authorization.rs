//! See `tests::properties::authorization`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::authorization(data));
