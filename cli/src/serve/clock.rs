//! The local server's clock, which tests of applications move.

use super::ServeError;
use super::private::keep;
use shared::domain::time::Timestamp;
use shared::ports::{Clock, SystemClock};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

/// How far the clock may be moved in all: a hundred years.
const FARTHEST_SECONDS: i64 = 100 * 365 * 24 * 60 * 60;

/// The machine's clock, moved. Kept in a file: time does not jump back at a restart.
#[derive(Clone)]
pub struct LocalClock {
    moved_seconds: Arc<AtomicI64>,
    stopped_at: Arc<OnceLock<Timestamp>>,
    file: Option<PathBuf>,
}

impl LocalClock {
    /// The machine's clock, moved as far as `file` says.
    ///
    /// # Errors
    ///
    /// [`ServeError::Data`] if the file cannot be read.
    pub fn open(file: Option<PathBuf>) -> Result<Self, ServeError> {
        let kept = match &file {
            Some(path) if path.exists() => fs::read_to_string(path)
                .and_then(|text| text.trim().parse().map_err(std::io::Error::other))
                .map_err(|source| ServeError::Data { path: path.clone(), source })?,
            _ => 0,
        };
        Ok(Self { moved_seconds: Arc::new(AtomicI64::new(kept)), stopped_at: Arc::default(), file })
    }

    /// Stops it until this process ends: from now on it goes only where it is moved, however slow the machine is.
    pub fn stop(&self) {
        self.stopped_at.get_or_init(|| SystemClock.now());
    }

    /// Moves the clock; back, too, by less than nothing.
    ///
    /// # Errors
    ///
    /// [`ServeError::Data`] if the move cannot be kept.
    pub fn advance(&self, seconds: i64) -> Result<(), ServeError> {
        let moved = self.moved_seconds.load(Ordering::SeqCst).saturating_add(seconds);
        let moved = moved.clamp(FARTHEST_SECONDS.saturating_neg(), FARTHEST_SECONDS);
        if let Some(file) = &self.file {
            // With its sign, so that libfaketime can read it as an offset.
            keep(file, format!("{moved:+}").as_bytes())?;
        }
        self.moved_seconds.store(moved, Ordering::SeqCst);
        Ok(())
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        let moved_millis = self.moved_seconds.load(Ordering::SeqCst).saturating_mul(1_000);
        let now = self.stopped_at.get().copied().unwrap_or_else(|| SystemClock.now());
        Timestamp::from_millis(now.millis().saturating_add(moved_millis)).unwrap_or(now)
    }
}
