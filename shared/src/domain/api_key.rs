//! API keys: `sk_<environment tag>_` + 30 random base62 characters + a 6-character checksum (KEY-01).
//!
//! The key itself and what is stored of it are different types: an [`ApiKey`] is shown once, an [`ApiKeyEntry`] is kept.

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

/// A plain API key. It has no `Debug` and leaves memory when dropped.
#[derive(Clone)]
pub struct ApiKey {
    text: Zeroizing<String>,
    tag: Tag,
}

/// SHA-256 of an API key. A fast hash is right here: the key carries 178 random bits (KEY-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyHash(pub [u8; 32]);

/// What is kept of an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyEntry {
    /// Its name, for people and logs.
    pub id: ApiKeyId,
    /// What the key hashes to.
    pub hash: ApiKeyHash,
    /// What it may do.
    pub scope: Scope,
    /// From when on it is not taken any more; `None` if it does not end by itself.
    pub expires_at: Option<Timestamp>,
}

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
        Self { text, tag: tag.clone() }
    }

    /// Reads a key; a mistyped one is told from a real one without a lookup.
    ///
    /// # Errors
    ///
    /// [`MalformedApiKey`] if the shape or the checksum is wrong.
    pub fn parse(text: &str) -> Result<Self, MalformedApiKey> {
        let (tag, body) =
            text.strip_prefix("sk_").and_then(|rest| rest.split_once('_')).ok_or(MalformedApiKey)?;
        let tag = Tag::parse(tag).map_err(|_| MalformedApiKey)?;
        let well_formed = body.len() == RANDOM_CHARS.saturating_add(CHECKSUM_CHARS)
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (covered, given) =
            text.split_at_checked(text.len().saturating_sub(CHECKSUM_CHARS)).ok_or(MalformedApiKey)?;
        if well_formed && checksum(covered) == given {
            Ok(Self { text: Zeroizing::new(text.to_owned()), tag })
        } else {
            Err(MalformedApiKey)
        }
    }

    /// What is stored of the key.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// The key, to show it once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What is kept of it under the name `id`.
    #[must_use]
    pub fn entry(&self, id: ApiKeyId, scope: Scope, expires_at: Option<Timestamp>) -> ApiKeyEntry {
        ApiKeyEntry { id, hash: self.hash(), scope, expires_at }
    }

    /// The environment it says it is of.
    #[must_use]
    pub fn tag(&self) -> &Tag {
        &self.tag
    }
}

impl ApiKeyEntry {
    /// Whether this is the entry of the key that hashes to `hash`, compared in constant time.
    #[must_use]
    pub fn is_of(&self, hash: &ApiKeyHash) -> bool {
        self.hash.0.ct_eq(&hash.0).into()
    }

    /// Whether the key is taken at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
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
    fn key_01_a_right_checksum_does_not_make_up_for_the_wrong_shape() {
        let of = |body: &str| {
            let text = format!("sk_test_{body}");
            ApiKey::parse(&format!("{text}{}", checksum(&text)))
        };
        assert!(of(&"a".repeat(RANDOM_CHARS)).is_ok());
        for body in ["a".repeat(RANDOM_CHARS - 1), "a".repeat(RANDOM_CHARS + 1), "-".repeat(RANDOM_CHARS)] {
            assert!(of(&body).is_err(), "{body}");
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
