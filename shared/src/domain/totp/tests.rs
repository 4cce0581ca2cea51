//! TOTP against the vectors of RFC 4226 Appendix D and RFC 6238 Appendix B, and against a second implementation.

use super::*;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;

const RFC_SECRET: &[u8; 20] = b"12345678901234567890";

fn secret(bytes: &[u8]) -> Secret {
    Secret::from_bytes(Zeroizing::new(bytes.to_vec())).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).unwrap()
}

fn code(secret: &Secret, step: u64) -> String {
    secret.code_at(Step(step)).unwrap().expose().to_owned()
}

#[test]
fn otp_01_codes_match_the_hotp_vectors_of_rfc_4226_appendix_d() {
    let expected =
        ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    let secret = secret(RFC_SECRET);
    for (counter, expected) in (0..).zip(expected) {
        assert_eq!(code(&secret, counter), expected);
    }
}

#[test]
fn otp_01_codes_match_the_sha_1_vectors_of_rfc_6238_appendix_b_at_six_digits() {
    // The appendix lists eight digits. Six digits are the same number modulo a million.
    let secret = secret(RFC_SECRET);
    for (seconds, expected) in [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ] {
        assert_eq!(code(&secret, Step::at(at(seconds)).0), expected, "at {seconds} s");
    }
}

#[test]
fn otp_01_the_totp_library_matches_all_vectors_of_rfc_6238_appendix_b() {
    use totp_rs::Algorithm::{SHA1, SHA256, SHA512};
    let seed = |length: usize| RFC_SECRET.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    for (time, sha1, sha256, sha512) in [
        (59, "94287082", "46119246", "90693936"),
        (1_111_111_109, "07081804", "68084774", "25091201"),
        (1_111_111_111, "14050471", "67062674", "99943326"),
        (1_234_567_890, "89005924", "91819424", "93441116"),
        (2_000_000_000, "69279037", "90698825", "38618901"),
        (20_000_000_000, "65353130", "77737706", "47863826"),
    ] {
        for (algorithm, length, expected) in [(SHA1, 20, sha1), (SHA256, 32, sha256), (SHA512, 64, sha512)] {
            let totp = totp_rs::Builder::new()
                .with_algorithm(algorithm)
                .with_digits(8)
                .with_secret(seed(length))
                .build()
                .unwrap();
            assert_eq!(totp.generate(time).to_string(), expected, "{algorithm:?} at {time} s");
        }
    }
}

#[test]
fn otp_02_steps_are_counted_in_64_bits() {
    assert_eq!(Step::at(at(20_000_000_000)), Step(666_666_666));
    assert_eq!(Step::at(at(1 << 32)), Step(143_165_576));
    assert_eq!(Step::at(at(29)), Step(0));
    assert_eq!(Step::at(at(30)), Step(1));
}

#[test]
fn otp_03_a_new_secret_is_20_bytes_and_32_characters() {
    use rand::SeedableRng as _;
    let mut rng = rand::rngs::StdRng::from_seed([1; 32]);
    let secrets: std::collections::HashSet<String> =
        (0..10_000).map(|_| Secret::random(&mut rng).to_base32().to_string()).collect();
    assert_eq!(secrets.len(), 10_000);
    assert!(secrets.iter().all(|text| text.len() == 32));
}

#[test]
fn otp_07_a_code_matches_within_one_step_of_the_current_one() {
    let secret = secret(RFC_SECRET);
    for seconds in [29, 30, 59, 60, 1_111_111_109] {
        let now = at(seconds);
        let current = Step::at(now).0;
        for step in current.saturating_sub(3)..=current + 3 {
            let guess = secret.code_at(Step(step)).unwrap();
            let near = step.abs_diff(current) <= 1;
            let matching = secret.matching_step(&guess, now, Skew::OneStep).unwrap();
            assert_eq!(matching, near.then_some(Step(step)), "step {step} at {seconds} s");
            let matching = secret.matching_step(&guess, now, Skew::None).unwrap();
            assert_eq!(
                matching,
                (step == current).then_some(Step(step)),
                "strict, step {step} at {seconds} s"
            );
        }
    }
}

#[test]
fn base32_is_parsed_in_either_case_and_refused_if_it_is_not_a_secret() {
    let text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    for form in [text.to_owned(), text.to_lowercase(), format!("{text}====")] {
        assert_eq!(Secret::from_base32(&form).unwrap().expose(), RFC_SECRET);
    }
    for text in [
        "",
        "GEZDGNBV",
        "not base32!",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1",
        "GEZDGNBVGY3TQOJQGEZDGNBVGZ",
        "ÄÖÜ",
    ] {
        assert!(Secret::from_base32(text).is_err(), "{text}");
    }
    let long = totp_rs::Secret::new((0..65).collect::<Vec<u8>>().into()).to_base32();
    assert!(Secret::from_base32(&long).is_err());
}

/// OTP-03: generated secrets are longer; what another system generated is taken from 80 bits on, or from the operator's
/// minimum.
#[test]
fn otp_03_an_imported_secret_has_80_bits_or_the_minimum_that_is_configured() {
    let import = |bytes: usize, min| {
        let bytes: Vec<u8> = (0..bytes).map(|n| u8::try_from(n).unwrap()).collect();
        Secret::import_base32(&totp_rs::Secret::new(bytes.as_slice().into()).to_base32(), SecretBits(min))
            .map(|secret| secret.bits())
    };
    assert_eq!(import(10, 80), Ok(SecretBits(80)));
    assert_eq!(import(9, 80), Err(UnusableSecret::Short(SecretBits(72), SecretBits(80))));
    assert_eq!(import(9, 0), Err(UnusableSecret::Short(SecretBits(72), SecretBits(80))), "never fewer");
    assert_eq!(import(15, 128), Err(UnusableSecret::Short(SecretBits(120), SecretBits(128))));
    assert_eq!(import(14, 112), Ok(SecretBits(112)));
    assert_eq!(import(13, 111), Err(UnusableSecret::Short(SecretBits(104), SecretBits(111))));
    assert_eq!(import(64, 160), Ok(SecretBits(512)));
    assert_eq!(import(65, 80), Err(UnusableSecret::Long));
    // The example of WorkOS's own document.
    assert_eq!(Secret::from_base32("JBSWY3DPEHPK3PXP").unwrap().expose(), b"Hello!\xde\xad\xbe\xef");
}

/// F19: a placeholder is not a secret. One that was imported before this rule still works.
#[test]
fn a_secret_of_one_repeated_byte_is_not_imported() {
    for byte in [0, 1, b'A', 255] {
        assert!(Secret::from_base32(&secret(&[byte; 20]).to_base32()).is_err(), "{byte}");
    }
    let mut one_differs = [0; 16];
    one_differs[15] = 1;
    assert!(Secret::from_base32(&secret(&one_differs).to_base32()).is_ok());
}

/// HOTP as defined in RFC 4226 §5.3, computed directly from HMAC-SHA-1.
fn reference(key: &[u8], counter: u64) -> String {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(key).unwrap();
    mac.update(&counter.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0xf);
    let word = u32::from_be_bytes(digest[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn otp_01_agrees_with_a_second_implementation(key in prop::collection::vec(any::<u8>(), 16..=64), step in 0..u64::MAX / 30) {
        prop_assert_eq!(code(&secret(&key), step), reference(&key, step));
    }
}

proptest! {
    #[test]
    fn base32_round_trips(key in prop::collection::vec(any::<u8>(), 16..=64)) {
        prop_assume!(key.iter().any(|byte| *byte != key[0]));
        let text = secret(&key).to_base32();
        let read = Secret::from_base32(&text).unwrap();
        prop_assert_eq!(read.expose(), key.as_slice());
    }
}
