//! User IDs: how the application identifies the owner of a factor.

use super::policy::MAX_LABEL_BYTES;
use std::fmt;

/// A user ID chosen by the application: opaque, 1 to 255 bytes, no control characters. Format characters are allowed;
/// listings escape them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

/// The text is empty, longer than 255 bytes or contains a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 bytes without control characters")]
pub struct MalformedUserId;

impl UserId {
    /// Validates `text`.
    ///
    /// # Errors
    ///
    /// [`MalformedUserId`] if the text is empty, longer than 255 bytes or contains a control character.
    pub fn parse(text: &str) -> Result<Self, MalformedUserId> {
        let fits = (1..=MAX_LABEL_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(MalformedUserId) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
