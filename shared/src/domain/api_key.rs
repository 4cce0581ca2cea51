//! API keys: `sk_<environment tag>_` + 30 random base62 characters + a 6-character checksum (KEY-01).
//!
//! The key itself and what is stored of it are different types: an [`ApiKey`] is shown once, an [`ApiKeyHash`] is kept.

use super::environment::Tag;
use rand::{CryptoRng, RngExt as _};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

const RANDOM_CHARS: usize = 30;
const CHECKSUM_CHARS: usize = 6;

/// A plain API key. It has no `Debug` and leaves memory when dropped.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

/// SHA-256 of an API key. A fast hash is right here: the key carries 178 random bits (KEY-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash(pub [u8; 32]);

/// The text cannot be an API key: wrong shape or wrong checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key")]
pub struct MalformedApiKey;

impl ApiKey {
    /// A new key for an environment.
    pub fn random(tag: &Tag, rng: &mut impl CryptoRng) -> Self {
        let mut text = Zeroizing::new(format!("sk_{tag}_"));
        text.reserve_exact(RANDOM_CHARS.saturating_add(CHECKSUM_CHARS));
        for _ in 0..RANDOM_CHARS {
            text.push(rng.sample(rand::distr::Alphanumeric).into());
        }
        let mut checksum = checksum(&text);
        text.push_str(&checksum);
        checksum.zeroize();
        Self(text)
    }

    /// Reads a key; a mistyped one is told from a real one without asking anybody.
    ///
    /// # Errors
    ///
    /// [`MalformedApiKey`] if the shape or the checksum is wrong.
    pub fn parse(text: &str) -> Result<Self, MalformedApiKey> {
        let (tag, body) =
            text.strip_prefix("sk_").and_then(|rest| rest.split_once('_')).ok_or(MalformedApiKey)?;
        Tag::parse(tag).map_err(|_| MalformedApiKey)?;
        let well_formed = body.len() == RANDOM_CHARS.saturating_add(CHECKSUM_CHARS)
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (covered, given) =
            text.split_at_checked(text.len().saturating_sub(CHECKSUM_CHARS)).ok_or(MalformedApiKey)?;
        if well_formed && checksum(covered) == given {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(MalformedApiKey)
        }
    }

    /// What is stored of the key.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The key, to show it once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// CRC-32 of `text` as six base62 digits, as GitHub's tokens do it.
fn checksum(text: &str) -> String {
    const DIGITS: [char; 62] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J',
        'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd',
        'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x',
        'y', 'z',
    ];
    let crc = u64::from(crc32fast::hash(text.as_bytes()));
    let places = [62_u64.pow(5), 62_u64.pow(4), 62_u64.pow(3), 62_u64.pow(2), 62, 1];
    places
        .into_iter()
        .filter_map(|place| crc.checked_div(place)?.checked_rem(62))
        .filter_map(|digit| DIGITS.get(usize::try_from(digit).ok()?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn key(seed: u8) -> ApiKey {
        ApiKey::random(&Tag::parse("test").unwrap(), &mut StdRng::from_seed([seed; 32]))
    }

    #[test]
    fn key_01_a_new_key_has_the_documented_shape() {
        let key = key(1);
        let body = key.expose().strip_prefix("sk_test_").unwrap();
        assert_eq!(body.len(), 36);
        assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(ApiKey::parse(key.expose()).is_ok());
    }

    #[test]
    fn key_01_one_wrong_character_is_noticed() {
        let good = key(2).expose().to_owned();
        for at in 0..good.len() {
            for other in ['0', 'Z', 'z', '_', '-'] {
                let mut bad: Vec<char> = good.chars().collect();
                if bad[at] != other {
                    bad[at] = other;
                    assert!(ApiKey::parse(&bad.into_iter().collect::<String>()).is_err());
                }
            }
        }
    }

    #[test]
    fn keys_differ() {
        assert!(key(3).hash() != key(4).hash());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(sk_)?\\PC{0,60}") {
            let _ = ApiKey::parse(&text);
        }
    }
}
