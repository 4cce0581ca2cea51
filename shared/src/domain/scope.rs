//! What API keys may do, and what routes ask for (KEY-08).

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Full,
    /// Challenge factors and verify codes: what a login needs.
    Verify,
    /// Read and list factors.
    Read,
}

/// What a route asks of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To enroll and delete factors.
    Manage,
    /// To challenge factors and verify codes.
    Verify,
    /// To read and list factors.
    Read,
}

/// The text is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is full, verify or read")]
pub struct UnknownScope;

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Full, Self::Verify, Self::Read];

    /// Whether it has a right. What is not listed here is not granted (KEY-08).
    #[must_use]
    pub const fn grants(self, right: Right) -> bool {
        matches!((self, right), (Self::Full, _) | (Self::Verify, Right::Verify) | (Self::Read, Right::Read))
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Verify => "verify",
            Self::Read => "read",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`UnknownScope`] for anything but a scope's name.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or(UnknownScope)
    }
}
