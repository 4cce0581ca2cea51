//! The data directory: the engine's file, `root.key`, `api-key`, the outbox and the clock, each readable by its owner only.

use super::ServeError;
use shared::domain::api_key::ApiKey;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// An open data directory, held by this process alone.
pub(super) struct DataDir {
    path: PathBuf,
    /// Keeps other processes out for as long as it is open; the operating system lets go of it even after `kill -9`.
    _lock: File,
}

impl DataDir {
    pub(super) fn open(path: &Path) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Data { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let lock = create(&path.join("lock"), false).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                // What a killed server left says where nothing is any more.
                let _ = fs::remove_file(Self::running_file_in(path));
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(ServeError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn engine_file(&self) -> PathBuf {
        Self::engine_file_in(&self.path)
    }

    pub(super) fn engine_file_in(path: &Path) -> PathBuf {
        path.join("table.sqlite")
    }

    pub(super) fn running_file(&self) -> PathBuf {
        Self::running_file_in(&self.path)
    }

    /// Where a running server says how to reach it.
    pub(super) fn running_file_in(path: &Path) -> PathBuf {
        path.join("running.json")
    }

    pub(super) fn outbox_file(&self) -> PathBuf {
        self.path.join("outbox.jsonl")
    }

    pub(super) fn clock_file(&self) -> PathBuf {
        Self::clock_file_in(&self.path)
    }

    pub(super) fn clock_file_in(path: &Path) -> PathBuf {
        path.join("clock")
    }

    pub(super) fn root_key_file(&self) -> PathBuf {
        self.path.join("root.key")
    }

    /// The API key, if there is one yet.
    pub(super) fn api_key(&self) -> Result<Option<ApiKey>, ServeError> {
        let path = self.path.join("api-key");
        match fs::read_to_string(&path) {
            Ok(text) => ApiKey::parse(text.trim()).map(Some).map_err(|_| {
                let source = io::Error::other("it does not hold an API key; delete it to get a new one");
                ServeError::Data { path, source }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ServeError::Data { path, source }),
        }
    }

    pub(super) fn keep_api_key(&self, key: &ApiKey) -> Result<(), ServeError> {
        keep(&self.path.join("api-key"), format!("{}\n", key.expose()).as_bytes())
    }
}

/// Writes a file as a whole or not at all, whenever the process is killed.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> Result<(), ServeError> {
    let unfinished = path.with_extension("new");
    create(&unfinished, true)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(|source| ServeError::Data { path: path.to_owned(), source })
}

/// Opens a file to write, readable by its owner only.
fn create(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(truncate).mode(0o600).open(path)
}

/// Opens a file to write at its end, readable by its owner only.
pub(super) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
