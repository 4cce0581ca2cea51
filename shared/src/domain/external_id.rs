//! External IDs: how another system identifies a factor that is imported.

use super::id::{EnvironmentId, FactorId};
use super::totp::Secret;
use super::user::UserId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Maximum length of an external ID in bytes.
pub const MAX_EXTERNAL_ID_BYTES: usize = 1024;

/// The ID of a factor in the system that it is imported from: 1 to 1,024 bytes without control characters.
///
/// It decides the factor's ID here, so an import that is repeated finds the factor that it wrote before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalId(String);

/// The text is empty, too long or contains a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 1024 bytes without control characters")]
pub struct MalformedExternalId;

impl ExternalId {
    /// Validates `text`.
    ///
    /// # Errors
    ///
    /// [`MalformedExternalId`] if the text is empty, too long or contains a control character.
    pub fn parse(text: &str) -> Result<Self, MalformedExternalId> {
        let fits = (1..=MAX_EXTERNAL_ID_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(MalformedExternalId) }
    }

    /// The external ID of a secret whose source has none: a digest of the user, the issuer and the secret. Two secrets of
    /// one user have two.
    ///
    /// HMAC with the secret as its key (RFC 2104), so that the ID reveals nothing about the secret.
    #[must_use]
    pub fn of_secret(user: &UserId, issuer: &str, secret: &Secret) -> Self {
        let digest = Hmac::<Sha256>::new_from_slice(secret.expose()).map(|mut mac| {
            mac.update(b"latchkey external ID of a secret");
            for part in [user.as_str(), issuer] {
                // Lengths make it unambiguous where a part ends.
                mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                mac.update(part.as_bytes());
            }
            mac.finalize().into_bytes()
        });
        debug_assert!(digest.is_ok(), "HMAC accepts keys of any length");
        Self(format!("secret:{}", URL_SAFE_NO_PAD.encode(digest.unwrap_or_default())))
    }

    /// The ID of the factor in `environment`.
    #[must_use]
    pub fn factor_id(&self, environment: EnvironmentId) -> FactorId {
        let digest = Sha256::new()
            .chain_update(b"latchkey imported factor/")
            .chain_update(environment.to_string())
            .chain_update(b"/")
            .chain_update(&self.0)
            .finalize();
        FactorId::imported(digest.first_chunk().copied().unwrap_or_default())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use std::collections::BTreeSet;

    fn environment(seed: u8) -> EnvironmentId {
        EnvironmentId::new(Timestamp::default(), &mut StdRng::from_seed([seed; 32]))
    }

    #[test]
    fn the_same_external_id_is_always_the_same_factor_of_an_environment() {
        let id = ExternalId::parse("keycloak/1").unwrap();
        let factor = id.factor_id(environment(1));
        assert_eq!(FactorId::parse(&factor.to_string()), Ok(factor));
        assert_eq!(factor, id.factor_id(environment(1)));
        assert_ne!(factor, id.factor_id(environment(2)));
        assert_ne!(factor, ExternalId::parse("keycloak/2").unwrap().factor_id(environment(1)));
        assert_eq!(factor.created_at(), Timestamp::default());
        // It must never change: a repeat of an import would write everything again.
        let known = EnvironmentId::parse("environment_01FZ4TS0MWPZR7GATS7KCXANQZ").unwrap();
        assert_eq!(id.factor_id(known).to_string(), "auth_factor_0000000000587WJRYP03A0MQ1Y");
    }

    #[test]
    fn each_secret_of_each_user_and_issuer_has_an_id_of_its_own() {
        let secrets = ["GEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJR"].map(|text| Secret::from_base32(text).unwrap());
        let mut ids = BTreeSet::new();
        for secret in &secrets {
            for (user, issuer) in [("a", "b"), ("ab", ""), ("a", ""), ("b", "a")] {
                let id = ExternalId::of_secret(&UserId::parse(user).unwrap(), issuer, secret);
                assert_eq!(ExternalId::parse(id.as_str()), Ok(id.clone()));
                ids.insert(id.0);
            }
        }
        assert_eq!(ids.len(), 8);
    }

    #[test]
    fn an_external_id_is_bounded_and_has_no_control_characters() {
        for text in ["", "a\nb", "\0", &"a".repeat(1025)] {
            assert_eq!(ExternalId::parse(text), Err(MalformedExternalId), "{text:?}");
        }
        assert!(ExternalId::parse(&"a".repeat(1024)).is_ok());
    }
}
