//! See `tests::properties::otpauth`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::otpauth(data));
