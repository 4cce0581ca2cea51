//! API keys: `sk_<environment tag>_` + 30 random base62 characters + a 6-character checksum (KEY-01).
//!
//! The key and its stored form are different types: an [`ApiKey`] is shown once, an [`ApiKeyEntry`] is stored.

use super::environment::Tag;
use super::id::ApiKeyId;
use super::scope::Scope;
use super::time::Timestamp;
use rand::{CryptoRng, RngExt as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

const RANDOM_CHARS: usize = 30;
const CHECKSUM_CHARS: usize = 6;

/// A plaintext API key. Implements no `Debug` and is zeroed when dropped.
#[derive(Clone)]
pub struct ApiKey {
    text: Zeroizing<String>,
    tag: Tag,
}

/// SHA-256 of an API key. A fast hash is sufficient because the key has 178 random bits (KEY-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyHash(pub [u8; 32]);

/// The stored form of an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyEntry {
    /// The ID, for operators and logs.
    pub id: ApiKeyId,
    /// The hash of the key.
    pub hash: ApiKeyHash,
    /// What the key may do.
    pub scope: Scope,
    /// When the key expires; `None` if it does not.
    pub expires_at: Option<Timestamp>,
}

/// The text has the wrong format or checksum for an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key")]
pub struct MalformedApiKey;

impl ApiKey {
    /// Generates a key for an environment.
    pub fn random(tag: &Tag, rng: &mut impl CryptoRng) -> Self {
        let mut text = Zeroizing::new(format!("sk_{tag}_"));
        text.reserve_exact(RANDOM_CHARS.saturating_add(CHECKSUM_CHARS));
        for _ in 0..RANDOM_CHARS {
            text.push(rng.sample(rand::distr::Alphanumeric).into());
        }
        let mut checksum = checksum(&text);
        text.push_str(&checksum);
        checksum.zeroize();
        Self { text, tag: tag.clone() }
    }

    /// Parses a key. The checksum rejects a mistyped key without a lookup.
    ///
    /// # Errors
    ///
    /// [`MalformedApiKey`] if the format or the checksum is wrong.
    pub fn parse(text: &str) -> Result<Self, MalformedApiKey> {
        let (tag, body) =
            text.strip_prefix("sk_").and_then(|rest| rest.split_once('_')).ok_or(MalformedApiKey)?;
        let tag = Tag::parse(tag).map_err(|_| MalformedApiKey)?;
        let well_formed = body.len() == RANDOM_CHARS.saturating_add(CHECKSUM_CHARS)
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (covered, expected) =
            text.split_at_checked(text.len().saturating_sub(CHECKSUM_CHARS)).ok_or(MalformedApiKey)?;
        if well_formed && checksum(covered) == expected {
            Ok(Self { text: Zeroizing::new(text.to_owned()), tag })
        } else {
            Err(MalformedApiKey)
        }
    }

    /// The hash that is stored.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// The plaintext key, to show it once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The stored form of the key, with the ID `id`.
    #[must_use]
    pub fn entry(&self, id: ApiKeyId, scope: Scope, expires_at: Option<Timestamp>) -> ApiKeyEntry {
        ApiKeyEntry { id, hash: self.hash(), scope, expires_at }
    }

    /// The environment tag in the key. Not verified: anyone can write any tag.
    #[must_use]
    pub fn tag(&self) -> &Tag {
        &self.tag
    }
}

impl ApiKeyEntry {
    /// Whether the key has this hash, compared in constant time.
    #[must_use]
    pub fn matches(&self, hash: &ApiKeyHash) -> bool {
        self.hash.0.ct_eq(&hash.0).into()
    }

    /// Whether the key has not expired at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// CRC-32 of `text` as six base62 digits, the scheme of GitHub's tokens.
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
    fn key_01_a_new_key_has_the_documented_format() {
        let key = key(1);
        let body = key.expose().strip_prefix("sk_test_").unwrap();
        assert_eq!(body.len(), 36);
        assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(ApiKey::parse(key.expose()).is_ok());
    }

    #[test]
    fn key_01_a_single_wrong_character_is_rejected() {
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
    fn key_01_the_wrong_format_is_rejected_despite_a_right_checksum() {
        let parse = |body: &str| {
            let text = format!("sk_test_{body}");
            ApiKey::parse(&format!("{text}{}", checksum(&text)))
        };
        assert!(parse(&"a".repeat(RANDOM_CHARS)).is_ok());
        for body in ["a".repeat(RANDOM_CHARS - 1), "a".repeat(RANDOM_CHARS + 1), "-".repeat(RANDOM_CHARS)] {
            assert!(parse(&body).is_err(), "{body}");
        }
    }

    #[test]
    fn key_01_keys_differ() {
        assert!(key(3).hash() != key(4).hash());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(sk_)?\\PC{0,60}") {
            let _ = ApiKey::parse(&text);
        }
    }
}
