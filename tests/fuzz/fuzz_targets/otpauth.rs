//! See `properties::otpauth`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::otpauth(data));
