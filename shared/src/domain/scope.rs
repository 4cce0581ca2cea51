//! Scopes of API keys and the rights that routes require (KEY-08).

/// What an API key may do, as chosen when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Full,
    /// Challenge factors and verify codes: what a login needs.
    Verify,
    /// Read and list factors.
    Read,
}

/// What a route requires of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Enroll and delete factors.
    Manage,
    /// Challenge factors and verify codes.
    Verify,
    /// Read and list factors.
    Read,
}

/// The text is not the name of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be full, verify or read")]
pub struct UnknownScope;

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Full, Self::Verify, Self::Read];

    /// Whether the scope includes a right. Denies everything that is not listed here (KEY-08).
    #[must_use]
    pub const fn grants(self, right: Right) -> bool {
        matches!((self, right), (Self::Full, _) | (Self::Verify, Right::Verify) | (Self::Read, Right::Read))
    }

    /// The name in the command line and the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Verify => "verify",
            Self::Read => "read",
        }
    }

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`UnknownScope`] for any other text.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or(UnknownScope)
    }
}
