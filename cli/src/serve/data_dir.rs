//! The data directory: the engine's file, `root.key`, `api-key`, the token, the outbox and the clock. Only the owner
//! can read the files.

use super::ServeError;
use super::private::{append, create_dir, create_new, restrict, write_file};
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

/// All files, including the journals that `SQLite` creates next to the table.
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

/// An open data directory, locked by this process.
pub(super) struct DataDir {
    path: PathBuf,
    /// The lock file. The operating system releases the lock when the process ends, even after `kill -9`.
    lock: File,
}

impl Drop for DataDir {
    /// Closing the file is not enough: a process that is just being started has it open, too, until its program runs.
    fn drop(&mut self) {
        // The lock of a file that is closed is released in any case.
        let _ = self.lock.unlock();
    }
}

impl DataDir {
    pub(super) fn open(path: &Path) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Data { path: path.to_owned(), source };
        create_dir(path)?;
        // From here on, no other user can create files in the directory.
        let empty = path.read_dir().map_err(failed)?.next().is_none();
        for file in FILES {
            restrict(&path.join(file))?;
        }
        let lock = append(&path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                // A file left by a killed server contains outdated URLs.
                let _ = fs::remove_file(Self::running_file_in(path));
                if empty {
                    // The directory may be inside a source tree. Its files must not be committed.
                    write_file(&path.join(GITIGNORE), b"*\n")?;
                }
                Ok(Self { path: path.to_owned(), lock })
            }
            Err(TryLockError::WouldBlock) => Err(ServeError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The engine's file. Created here with a restrictive mode, because the engine would use the umask; the journals
    /// get the same mode.
    pub(super) fn engine_file(&self) -> Result<PathBuf, ServeError> {
        let path = Self::engine_file_in(&self.path);
        match create_new(&path) {
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

    /// The file in which a running server publishes its endpoints.
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

    pub(super) fn api_key_file(&self) -> PathBuf {
        self.path.join(API_KEY)
    }

    /// The API key, if there is one.
    pub(super) fn api_key(&self) -> Result<Option<ApiKey>, ServeError> {
        let path = self.api_key_file();
        match fs::read_to_string(&path) {
            Ok(text) => ApiKey::parse(text.trim()).map(Some).map_err(|_| {
                let source = io::Error::other("it does not hold an API key; delete it to get a new one");
                ServeError::Data { path, source }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ServeError::Data { path, source }),
        }
    }

    pub(super) fn write_api_key(&self, key: &ApiKey) -> Result<(), ServeError> {
        write_file(&self.api_key_file(), format!("{}\n", key.expose()).as_bytes())
    }
}
