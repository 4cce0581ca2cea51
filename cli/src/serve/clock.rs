//! The local server's clock, which applications' tests can move.

use super::ServeError;
use super::private::write_file;
use shared::domain::time::Timestamp;
use shared::ports::{Clock, SystemClock};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// The maximum offset of the clock: a hundred years.
const MAX_OFFSET_SECONDS: i64 = 100 * 365 * 24 * 60 * 60;

/// The system clock plus an offset. The offset is stored in a file, so that time does not jump back at a restart.
#[derive(Clone)]
pub struct LocalClock {
    offset_seconds: watch::Sender<i64>,
    frozen_at: Arc<OnceLock<Timestamp>>,
    file: Option<PathBuf>,
}

impl LocalClock {
    /// The machine's clock, moved by the offset in `file`.
    ///
    /// # Errors
    ///
    /// [`ServeError::Data`] if the file cannot be read.
    pub fn open(file: Option<PathBuf>) -> Result<Self, ServeError> {
        let stored = match &file {
            Some(path) if path.exists() => fs::read_to_string(path)
                .and_then(|text| text.trim().parse().map_err(std::io::Error::other))
                .map_err(|source| ServeError::Data { path: path.clone(), source })?,
            _ => 0,
        };
        Ok(Self { offset_seconds: watch::Sender::new(stored), frozen_at: Arc::default(), file })
    }

    /// Freezes the clock for the rest of the process. It then changes only by [`advance`](Self::advance), so that tests
    /// do not depend on the speed of the machine.
    pub fn freeze(&self) {
        self.frozen_at.get_or_init(|| SystemClock.now());
    }

    /// Moves the clock forward, or back if `seconds` is negative.
    ///
    /// # Errors
    ///
    /// [`ServeError::Data`] if the offset cannot be stored.
    pub fn advance(&self, seconds: i64) -> Result<(), ServeError> {
        let offset = self.offset().saturating_add(seconds);
        let offset = offset.clamp(MAX_OFFSET_SECONDS.saturating_neg(), MAX_OFFSET_SECONDS);
        if let Some(file) = &self.file {
            // With its sign, so that libfaketime can read it as an offset.
            write_file(file, format!("{offset:+}").as_bytes())?;
        }
        self.offset_seconds.send_replace(offset);
        Ok(())
    }

    /// Changes when the clock is moved.
    pub(super) fn moves(&self) -> watch::Receiver<i64> {
        self.offset_seconds.subscribe()
    }

    /// How many seconds it is ahead of the machine's clock.
    pub(super) fn offset(&self) -> i64 {
        *self.offset_seconds.borrow()
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        let offset_millis = self.offset().saturating_mul(1_000);
        let now = self.frozen_at.get().copied().unwrap_or_else(|| SystemClock.now());
        Timestamp::from_millis(now.millis().saturating_add(offset_millis)).unwrap_or(now)
    }
}
