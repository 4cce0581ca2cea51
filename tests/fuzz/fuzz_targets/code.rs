//! See `properties::code`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::code(data));
