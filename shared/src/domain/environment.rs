//! An environment: the tenant. It comes only from an API key and is part of every partition key.

use super::id::EnvironmentId;
use std::fmt;

/// An environment an API key speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name in the table.
    pub id: EnvironmentId,
    /// Its name for people.
    pub tag: Tag,
}

/// An environment's short name, visible in its API keys: 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

/// The text is not 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an environment's tag is 1 to 32 lower-case letters, digits and hyphens")]
pub struct MalformedTag;

impl Tag {
    /// Reads a tag.
    ///
    /// # Errors
    ///
    /// [`MalformedTag`] for everything but 1 to 32 of `a-z`, `0-9` and `-`.
    pub fn parse(text: &str) -> Result<Self, MalformedTag> {
        let fits = (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(MalformedTag) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
