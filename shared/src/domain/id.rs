//! Identifiers: a prefix and a ULID, `auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ`.
//!
//! They sort by the time they were made and carry 80 random bits. They name things; they never authorize.

use super::time::Timestamp;
use rand::CryptoRng;
use rand::RngExt as _;
use std::fmt;
use std::time::Duration;
use ulid::Ulid;

/// The text is not an identifier of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an id of this kind")]
pub struct Malformed;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// What the text form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new identifier, made `now`.
            pub fn new(now: Timestamp, rng: &mut impl CryptoRng) -> Self {
                let millis = u64::try_from(now.millis()).unwrap_or_default();
                Self(Ulid::from_parts(millis, rng.random()))
            }

            /// When it was made, to the millisecond; the start of 1970 if that was before.
            #[must_use]
            pub fn made_at(&self) -> Timestamp {
                Timestamp::default().plus(Duration::from_millis(self.0.timestamp_ms()))
            }

            /// Reads the text form, in the one spelling [`Display`](fmt::Display) writes.
            ///
            /// # Errors
            ///
            /// [`Malformed`] for everything else.
            pub fn parse(text: &str) -> Result<Self, Malformed> {
                text.strip_prefix(Self::PREFIX).ok_or(Malformed).and_then(Self::parse_bare)
            }

            /// Reads the 26 characters behind the prefix.
            ///
            /// # Errors
            ///
            /// [`Malformed`] for everything else.
            pub fn parse_bare(text: &str) -> Result<Self, Malformed> {
                let ulid = Ulid::from_string(text).map_err(|_| Malformed)?;
                // The decoder takes lower case and overflowing first digits; one id has one spelling.
                if ulid.to_string() == text { Ok(Self(ulid)) } else { Err(Malformed) }
            }

            /// The 26 characters behind the prefix.
            #[must_use]
            pub fn bare(&self) -> String {
                self.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// Names a factor.
    FactorId, "auth_factor_");
id!(
    /// Names a challenge.
    ChallengeId, "auth_challenge_");
id!(
    /// Names an environment, the tenant.
    EnvironmentId, "environment_");
id!(
    /// Names one request to verify, so that a write whose fate is unknown can be found again.
    AttemptId, "attempt_");
id!(
    /// Names an entry of the keyring.
    DataKeyId, "data_key_");
id!(
    /// Names a key of an environment.
    EnvironmentKeyId, "environment_key_");
id!(
    /// Names an API key, where the key itself must not stand.
    ApiKeyId, "api_key_");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
        assert_eq!(FactorId::parse(id).unwrap().to_string(), id);
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
            assert_eq!(FactorId::parse(other), Err(Malformed), "{other}");
        }
    }

    /// F1: the latest id sorts last and says so; it does not seem to be of 1970.
    #[test]
    fn an_id_from_outside_the_calendar_has_the_nearest_moment_in_it() {
        let last = FactorId::parse("auth_factor_7ZZZZZZZZZZZZZZZZZZZZZZZZZ").unwrap();
        assert_eq!(last.made_at(), Timestamp::MAX);
        for moment in [Timestamp::MIN, Timestamp::MAX] {
            let id = FactorId::new(moment, &mut StdRng::from_seed([1; 32]));
            assert_eq!(FactorId::parse(&id.to_string()), Ok(id));
            assert_eq!(id.made_at(), moment.max(Timestamp::default()));
        }
    }

    proptest! {
        #[test]
        fn ids_sort_by_time_and_read_back(early in 0_i64..281_474_976_710_000, later in 1_i64..600, seed: [u8; 32]) {
            let mut rng = StdRng::from_seed(seed);
            let first = FactorId::new(Timestamp::from_millis(early % 253_402_000_000_000).unwrap(), &mut rng);
            let second = FactorId::new(Timestamp::from_millis(early % 253_402_000_000_000 + later).unwrap(), &mut rng);
            prop_assert!(first.to_string() < second.to_string());
            prop_assert_eq!(FactorId::parse(&first.to_string()), Ok(first));
        }

        #[test]
        fn reading_never_panics(text in "\\PC*") {
            let _ = FactorId::parse(&text);
        }
    }
}
