//! libfaketime: in every function's process, it reads how far the clock was moved from the file of a [`LocalClock`].

use crate::Failure;
use cli::serve::LocalClock;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The clock of the functions' processes.
pub(crate) struct Faketime {
    pub(crate) clock: LocalClock,
    file: PathBuf,
    library: PathBuf,
}

impl Faketime {
    /// A clock that shows the machine's time until it is moved.
    pub(crate) fn new(library: &Path, folder: &Path) -> Result<Self, Failure> {
        if !library.exists() {
            return Err(format!("no libfaketime at {}", library.display()).into());
        }
        let (file, library) = (folder.join("clock"), library.to_owned());
        let clock = LocalClock::open(Some(file.clone()))?;
        clock.advance(0)?; // Writes the file.
        Ok(Self { clock, file, library })
    }

    /// The environment variables of a process. Only its wall clock is moved: timeouts take as long as they do.
    pub(crate) fn variables(&self) -> [(&'static str, &OsStr); 5] {
        [
            ("LD_PRELOAD", self.library.as_os_str()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.as_os_str()),
            ("FAKETIME_NO_CACHE", "1".as_ref()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".as_ref()),
            ("FAKETIME_DISABLE_SHM", "1".as_ref()),
        ]
    }
}
