//! Sources of time and randomness. Other code takes `now` and `rng` as arguments.

use crate::domain::time::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of time.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// A source of randomness.
pub trait Entropy: Send + Sync {
    /// A newly seeded, cryptographically secure generator for one request.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] if the operating system returns no random bytes.
    fn rng(&self) -> Result<StdRng, NoEntropy>;
}

/// The operating system returned no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system returned no random bytes")]
pub struct NoEntropy;

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since_1970.as_millis()).unwrap_or_default();
        Timestamp::from_millis(millis).unwrap_or_default()
    }
}

/// Seeds one `ChaCha12` generator per request with 256 bits from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn rng(&self) -> Result<StdRng, NoEntropy> {
        StdRng::try_from_rng(&mut SysRng).map_err(|_| NoEntropy)
    }
}
