//! Where time and randomness enter. Everything below takes `now` and `rng` as arguments.

use crate::domain::time::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;
}

/// Gives randomness.
pub trait Entropy: Send + Sync {
    /// A cryptographically secure generator for one request, seeded afresh.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] if the operating system has none to give.
    fn rng(&self) -> Result<StdRng, NoEntropy>;
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropy;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since_1970.as_millis()).unwrap_or_default();
        Timestamp::from_millis(millis).unwrap_or_default()
    }
}

/// The operating system's generator: 256 bits of it seed one `ChaCha12` stream per request.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn rng(&self) -> Result<StdRng, NoEntropy> {
        StdRng::try_from_rng(&mut SysRng).map_err(|_| NoEntropy)
    }
}
