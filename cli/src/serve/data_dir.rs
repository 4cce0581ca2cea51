//! The data directory: the engine's file, `root.key`, `api-key`, the token, the outbox and the clock, each readable by its
//! owner only.

use super::ServeError;
use super::private::{append, folder, keep, new, tighten};
use shared::domain::api_key::ApiKey;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const API_KEY: &str = "api-key";
const CLOCK: &str = "clock";
const GITIGNORE: &str = ".gitignore";
const LOCK: &str = "lock";
const OUTBOX: &str = "outbox.jsonl";
const ROOT_KEY: &str = "root.key";
const RUNNING: &str = "running.json";
const TABLE: &str = "table.sqlite";
const TOKEN: &str = "endpoint-token";

/// Everything that is kept; `SQLite` puts its journals beside the table.
const FILES: [&str; 11] = [
    API_KEY,
    CLOCK,
    LOCK,
    OUTBOX,
    ROOT_KEY,
    RUNNING,
    TABLE,
    "table.sqlite-journal",
    "table.sqlite-shm",
    "table.sqlite-wal",
    TOKEN,
];

/// An open data directory, held by this process alone.
pub(super) struct DataDir {
    path: PathBuf,
    /// Keeps other processes out for as long as it is open; the operating system lets go of it even after `kill -9`.
    _lock: File,
}

impl DataDir {
    pub(super) fn open(path: &Path) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Data { path: path.to_owned(), source };
        folder(path)?;
        // From here on no one else can put anything there.
        let empty = path.read_dir().map_err(failed)?.next().is_none();
        for file in FILES {
            tighten(&path.join(file))?;
        }
        let lock = append(&path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                // What a killed server left says where nothing is any more.
                let _ = fs::remove_file(Self::running_file_in(path));
                if empty {
                    // Where an application keeps its sources, none of this is to be committed.
                    keep(&path.join(GITIGNORE), b"*\n")?;
                }
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(ServeError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The engine's file. The engine would make it with whatever mode the umask leaves, and its journals with the same.
    pub(super) fn engine_file(&self) -> Result<PathBuf, ServeError> {
        let path = Self::engine_file_in(&self.path);
        match new(&path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(ServeError::Data { path, source })
            }
            _ => Ok(path),
        }
    }

    pub(super) fn engine_file_in(path: &Path) -> PathBuf {
        path.join(TABLE)
    }

    pub(super) fn running_file(&self) -> PathBuf {
        Self::running_file_in(&self.path)
    }

    /// Where a running server says how to reach it.
    pub(super) fn running_file_in(path: &Path) -> PathBuf {
        path.join(RUNNING)
    }

    pub(super) fn outbox_file(&self) -> PathBuf {
        self.path.join(OUTBOX)
    }

    pub(super) fn clock_file(&self) -> PathBuf {
        Self::clock_file_in(&self.path)
    }

    pub(super) fn clock_file_in(path: &Path) -> PathBuf {
        path.join(CLOCK)
    }

    pub(super) fn root_key_file(&self) -> PathBuf {
        self.path.join(ROOT_KEY)
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.path.join(TOKEN)
    }

    /// The API key, if there is one yet.
    pub(super) fn api_key(&self) -> Result<Option<ApiKey>, ServeError> {
        let path = self.path.join(API_KEY);
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
        keep(&self.path.join(API_KEY), format!("{}\n", key.expose()).as_bytes())
    }
}
