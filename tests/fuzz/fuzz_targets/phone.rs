//! See `tests::properties::phone`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::phone(data));
