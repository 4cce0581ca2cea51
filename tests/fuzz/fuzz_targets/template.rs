//! See `tests::properties::template`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::template(data));
