//! Identifiers: a prefix and a ULID, `auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ`.
//!
//! They sort by creation time and carry 80 random bits. An identifier is not a credential: knowing one authorizes
//! nothing.

use super::time::Timestamp;
use rand::CryptoRng;
use rand::RngExt as _;
use std::fmt;
use std::time::Duration;
use ulid::Ulid;

/// The text is not an identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an id of this kind")]
pub struct MalformedId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// The prefix of the text form.
            pub const PREFIX: &'static str = $prefix;

            /// Generates an identifier with the creation time `now`.
            pub fn new(now: Timestamp, rng: &mut impl CryptoRng) -> Self {
                let millis = u64::try_from(now.millis()).unwrap_or_default();
                Self(Ulid::from_parts(millis, rng.random()))
            }

            /// The creation time with millisecond precision. A time before 1970 reads as the start of 1970.
            #[must_use]
            pub fn created_at(&self) -> Timestamp {
                Timestamp::default().plus(Duration::from_millis(self.0.timestamp_ms()))
            }

            /// Parses the text form. Accepts only the canonical form that [`Display`](fmt::Display) writes.
            ///
            /// # Errors
            ///
            /// [`MalformedId`] for any other text.
            pub fn parse(text: &str) -> Result<Self, MalformedId> {
                text.strip_prefix(Self::PREFIX).ok_or(MalformedId).and_then(Self::parse_bare)
            }

            /// Parses the 26 characters after the prefix.
            ///
            /// # Errors
            ///
            /// [`MalformedId`] for any other text.
            pub fn parse_bare(text: &str) -> Result<Self, MalformedId> {
                let ulid = Ulid::from_string(text).map_err(|_| MalformedId)?;
                // The decoder also accepts lower case and an overflowing first digit. An id must have a single text
                // form.
                if ulid.to_string() == text { Ok(Self(ulid)) } else { Err(MalformedId) }
            }

            /// The 26 characters after the prefix.
            #[must_use]
            pub fn bare(&self) -> String {
                format!("{self:#}")
            }
        }

        /// `{:#}` leaves out the prefix.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let prefix = if f.alternate() { "" } else { Self::PREFIX };
                write!(f, "{prefix}{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

id!(
    /// Identifies a factor.
    FactorId, "auth_factor_");
impl FactorId {
    /// The identifier of a factor that was imported, made of a digest instead of random bits. Its time is the start of
    /// 1970, because the same digest must always give the same identifier.
    #[must_use]
    pub(crate) fn imported(digest: [u8; 10]) -> Self {
        let bits = digest.iter().fold(0, |bits: u128, byte| (bits << 8) | u128::from(*byte));
        Self(Ulid::from_parts(0, bits))
    }
}

id!(
    /// Identifies a challenge.
    ChallengeId, "auth_challenge_");
id!(
    /// Identifies an environment (a tenant).
    EnvironmentId, "environment_");
id!(
    /// Identifies one verify request, so that it can be found in the guard when the outcome of the write is unknown.
    AttemptId, "attempt_");
id!(
    /// Identifies a set of recovery codes.
    RecoveryCodesId, "recovery_codes_");
id!(
    /// Identifies a data key in the keyring.
    DataKeyId, "data_key_");
id!(
    /// Identifies a key of an environment.
    EnvironmentKeyId, "environment_key_");
id!(
    /// Identifies an API key in logs and listings, which must not contain the key itself.
    ApiKeyId, "api_key_");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    #[test]
    fn only_the_canonical_form_is_an_id() {
        let id = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
        assert_eq!(FactorId::parse(id).unwrap().to_string(), id);
        assert_eq!(FactorId::parse(id).unwrap().bare(), "01FZ4TS0MWPZR7GATS7KCXANQZ");
        assert_eq!(format!("{:#?}", FactorId::parse(id).unwrap()), id);
        for other in [
            "auth_factor_01fz4ts0mwpzr7gats7kcxanqz",
            "auth_factor_81FZ4TS0MWPZR7GATS7KCXANQZ",
            "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQ",
            "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQU",
            "auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ",
            "AUTH_FACTOR_01FZ4TS0MWPZR7GATS7KCXANQZ",
            "auth_factor_",
            "",
        ] {
            assert_eq!(FactorId::parse(other), Err(MalformedId), "{other}");
        }
    }

    /// F1: an id with the latest possible time must not read as one created in 1970.
    #[test]
    fn an_id_outside_the_supported_years_has_the_nearest_supported_time() {
        let last = FactorId::parse("auth_factor_7ZZZZZZZZZZZZZZZZZZZZZZZZZ").unwrap();
        assert_eq!(last.created_at(), Timestamp::MAX);
        for moment in [Timestamp::MIN, Timestamp::MAX] {
            let id = FactorId::new(moment, &mut StdRng::from_seed([1; 32]));
            assert_eq!(FactorId::parse(&id.to_string()), Ok(id));
            assert_eq!(id.created_at(), moment.max(Timestamp::default()));
        }
    }

    proptest! {
        #[test]
        fn ids_sort_by_creation_time_and_round_trip(early in 0_i64..281_474_976_710_000, later in 1_i64..600, seed: [u8; 32]) {
            let mut rng = StdRng::from_seed(seed);
            let first = FactorId::new(Timestamp::from_millis(early % 253_402_000_000_000).unwrap(), &mut rng);
            let second = FactorId::new(Timestamp::from_millis(early % 253_402_000_000_000 + later).unwrap(), &mut rng);
            prop_assert!(first.to_string() < second.to_string());
            prop_assert_eq!(FactorId::parse(&first.to_string()), Ok(first));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = FactorId::parse(&text);
        }
    }
}
