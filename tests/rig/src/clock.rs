//! The functions' clock, which tests move: libfaketime, in every function's process, reads its offset from a file.

use crate::Failure;
use shared::domain::time::Timestamp;
use shared::ports::{Clock as _, SystemClock};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, sync::PoisonError};

/// The machine's clock, moved.
pub(crate) struct Clock {
    file: PathBuf,
    library: PathBuf,
    moved_seconds: Mutex<i64>,
}

impl Clock {
    /// A clock that shows the machine's time until it is moved.
    pub(crate) fn new(library: &Path, folder: &Path) -> Result<Self, Failure> {
        if !library.exists() {
            return Err(format!("no libfaketime at {}", library.display()).into());
        }
        let (file, library) = (folder.join("clock"), library.to_owned());
        let clock = Self { file, library, moved_seconds: Mutex::new(0) };
        clock.advance(0)?;
        Ok(clock)
    }

    /// Moves it, for every process at once.
    pub(crate) fn advance(&self, seconds: i64) -> Result<(), Failure> {
        let mut moved = self.moved_seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let to = moved.checked_add(seconds).ok_or("too far")?;
        // Renamed, so that nobody reads half of it.
        let next = self.file.with_extension("next");
        fs::write(&next, format!("{to:+}"))?;
        fs::rename(&next, &self.file)?;
        *moved = to;
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        let moved = *self.moved_seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemClock.now();
        Timestamp::from_millis(now.millis().saturating_add(moved.saturating_mul(1_000))).unwrap_or(now)
    }

    /// What a process has to be told. Only its wall clock is moved: timeouts run as they do.
    pub(crate) fn variables(&self) -> [(&'static str, &std::ffi::OsStr); 5] {
        [
            ("LD_PRELOAD", self.library.as_os_str()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.as_os_str()),
            ("FAKETIME_NO_CACHE", "1".as_ref()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".as_ref()),
            ("FAKETIME_DISABLE_SHM", "1".as_ref()),
        ]
    }
}
