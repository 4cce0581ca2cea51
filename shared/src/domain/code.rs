//! One-time codes: six ASCII digits, leading zeros included, compared in constant time.

use super::policy::CODE_DIGITS;
use rand::{CryptoRng, RngExt as _};
use subtle::{Choice, ConstantTimeEq};
use zeroize::ZeroizeOnDrop;

/// A one-time code. Only [`Code::expose`] returns its digits; it implements neither `Debug` nor `PartialEq`.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Code([u8; CODE_DIGITS]);

/// The text is not exactly six ASCII digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be six ASCII digits")]
pub struct MalformedCode;

impl Code {
    /// Parses exactly six ASCII digits: no sign, no white space, no other Unicode digits.
    ///
    /// # Errors
    ///
    /// [`MalformedCode`] for any other text.
    pub fn parse(text: &str) -> Result<Self, MalformedCode> {
        let digits: [u8; CODE_DIGITS] = text.as_bytes().try_into().map_err(|_| MalformedCode)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(MalformedCode) }
    }

    /// A uniformly random code (SP 800-63B-4 §3.1.3.2). Rejection sampling makes every digit equally likely.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Self(std::array::from_fn(|_| rng.random_range(b'0'..=b'9')))
    }

    /// The digits, for sending, displaying or computing a MAC.
    #[must_use]
    pub fn expose(&self) -> &str {
        // Both constructors guarantee ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl ConstantTimeEq for Code {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    #[test]
    fn otp_05_leading_zeros_are_kept() {
        assert_eq!(Code::parse("000042").map(|code| code.expose().to_owned()), Ok("000042".to_owned()));
    }

    #[test]
    fn otp_06_only_six_ascii_digits_are_a_code() {
        for text in [
            "",
            "12345",
            "1234567",
            "+12345",
            "-12345",
            " 12345",
            "12345 ",
            "12 345",
            "12345\0",
            "1234\n5",
            "abcdef",
            "0x1234",
            "１２３４５６",
            "٠١٢٣٤٥",
            "12345\u{660}",
        ] {
            assert!(Code::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn otp_09_all_digits_of_codes_are_compared() {
        let code = Code::parse("123456").unwrap();
        assert!(bool::from(code.ct_eq(&Code::parse("123456").unwrap())));
        for other in ["023456", "123450", "654321"] {
            assert!(!bool::from(code.ct_eq(&Code::parse(other).unwrap())), "{other}");
        }
    }

    #[test]
    fn otp_04_every_digit_is_equally_likely_at_every_position() {
        let mut rng = StdRng::from_seed([7; 32]);
        let draws = 200_000_u32;
        let mut counts = [[0_u32; 10]; CODE_DIGITS];
        for _ in 0..draws {
            for (position, digit) in Code::random(&mut rng).expose().bytes().enumerate() {
                counts[position][usize::from(digit - b'0')] += 1;
            }
        }
        let expected = f64::from(draws) / 10.0;
        for position in counts {
            // Chi-squared with nine degrees of freedom: a fair generator exceeds 33.7 once in ten thousand runs.
            let chi: f64 = position.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
            assert!(chi < 33.7, "{position:?}");
        }
    }

    proptest! {
        #[test]
        fn every_number_below_a_million_is_a_code(number in 0_u32..1_000_000) {
            let text = format!("{number:06}");
            let code = Code::parse(&text).unwrap();
            prop_assert_eq!(code.expose(), text);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            prop_assert_eq!(Code::parse(&text).is_ok(), text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit()));
        }
    }
}
