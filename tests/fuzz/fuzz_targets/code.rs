//! See `tests::properties::code`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::code(data));
