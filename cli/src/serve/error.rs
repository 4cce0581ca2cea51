//! Errors of the local server. A message says what happened and what to do about it.

use shared::domain::environment::{MalformedTag, Tag};
use shared::ports::NoEntropy;
use shared::store::StoreError;
use shared::vault::keyring::KeyringError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The local server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is in use, or the address does not belong to this machine.
    #[error("cannot listen on {0}: {1}. Choose another port with --port, or 0 for any free one")]
    Listen(SocketAddr, io::Error),
    /// A file of the data directory cannot be read or written.
    #[error("cannot use {}: {source}. Choose another directory with --data-dir", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Other users can write to the data directory, and could replace its keys.
    #[error(
        "{} is writable by other users (mode {mode:o}), who could replace its keys. Run `chmod go-w {}`, or choose another directory with --data-dir",
        path.display(), path.display()
    )]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The data directory, or a symbolic link to it, belongs to another user.
    #[error(
        "{} belongs to another user (ID {owner}), who could read its keys. Choose another directory with --data-dir",
        path.display()
    )]
    OwnedByOtherUser {
        /// The directory.
        path: PathBuf,
        /// The user ID of its owner.
        owner: u32,
    },
    /// A file of the data directory is not a regular file of this user.
    #[error("{} is {reason}, and was not created by latchkey. Find out where it comes from, then remove it: `rm {}`", path.display(), path.display())]
    UnexpectedFile {
        /// The file.
        path: PathBuf,
        /// Why it was refused.
        reason: &'static str,
    },
    /// Another process uses the data directory.
    #[error("{} is in use by another latchkey process. Stop it, or choose another directory with --data-dir", .0.display())]
    Locked(PathBuf),
    /// Another process uses the data directory, but has not published its endpoints.
    #[error("{} is in use by a server that is starting, or by another command. Run this again in a moment", .0.display())]
    Busy(PathBuf),
    /// The engine cannot open its file.
    #[error(
        "the embedded DynamoDB engine cannot start: {0}. Move the data directory away to start with a new one"
    )]
    Engine(String),
    /// The root key's file is invalid.
    #[error("the root key cannot be read from {}: {source}. Restore the right root.key, or move the data directory away to start with a new one", file.display())]
    RootKey {
        /// The file.
        file: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The keyring cannot be unwrapped.
    #[error("{0}. Restore the right root.key, or move the data directory away to start with a new one")]
    Keyring(#[from] KeyringError),
    /// The environment of the directory's API key is damaged.
    #[error(
        "the environment {tag} cannot be served, because its item is damaged: {source}. Delete the environment and start the \
         server again, which creates a new one: `latchkey env delete {tag} --local {dir}`. Or restore table.sqlite from a \
         backup, or move the data directory away to start with a new one", dir = dir.display()
    )]
    DamagedEnvironment {
        /// The environment.
        tag: Tag,
        /// The data directory.
        dir: PathBuf,
        /// The error.
        source: StoreError,
    },
    /// No API key can be added to the environment.
    #[error(
        "no API key can be added to the environment {tag}: it is being deleted, or has the maximum number of keys. Finish the \
         deletion: `latchkey env delete {tag} --local {dir}`. Or revoke a key: `latchkey keys list --local {dir}`, then \
         `latchkey keys revoke ID --local {dir}`", dir = dir.display()
    )]
    NoNewApiKey {
        /// The environment.
        tag: Tag,
        /// The data directory.
        dir: PathBuf,
    },
    /// A call to the table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system returned no random bytes.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The environment's tag is invalid.
    #[error(transparent)]
    Tag(#[from] MalformedTag),
    /// The signal handlers cannot be installed.
    #[error("cannot wait for Ctrl-C and SIGTERM: {0}")]
    Signal(io::Error),
}
