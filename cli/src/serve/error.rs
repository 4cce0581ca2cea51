//! What keeps the local server from starting, and what to do about it.

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
    /// The port is taken, or the address is not this machine's.
    #[error("cannot listen on {0}: {1}. Choose another port with --port, or 0 for any free one")]
    Listen(SocketAddr, io::Error),
    /// A file of the data directory cannot be read or written.
    #[error("cannot use {}: {source}. Choose another place with --data-dir", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Others may put files into the data directory: keys of theirs, or links.
    #[error(
        "{} can be written by other users (mode {mode:o}), who could plant keys in it. Type `chmod go-w {}`, or choose another place with --data-dir",
        path.display(), path.display()
    )]
    OpenFolder {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The data directory, or a link by its name, is another user's.
    #[error(
        "{} belongs to another user (with the ID {owner}), who could read the keys in it. Choose another place with --data-dir",
        path.display()
    )]
    ForeignFolder {
        /// The directory.
        path: PathBuf,
        /// The ID of its owner.
        owner: u32,
    },
    /// A file of the data directory is not the server's own.
    #[error("{} is {what}, which no latchkey made. Find out who put it there, then remove it: `rm {}`", path.display(), path.display())]
    Planted {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Another process serves this data directory.
    #[error("{} is in use by another latchkey. Stop it, or choose another place with --data-dir", .0.display())]
    Locked(PathBuf),
    /// Another process uses this data directory, and cannot be asked.
    #[error("{} is in use by a latchkey that is starting, or by another command. Run this again in a moment", .0.display())]
    Busy(PathBuf),
    /// The engine cannot open its file.
    #[error("the embedded DynamoDB engine cannot start: {0}. Move the data directory away to start afresh")]
    Engine(String),
    /// The root key's file is of no use.
    #[error("the root key cannot be read from {}: {source}. Put the right root.key back, or move the data directory away to start afresh", file.display())]
    RootKey {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The keyring does not open.
    #[error("{0}. Put the right root.key back, or move the data directory away to start afresh")]
    Keyring(#[from] KeyringError),
    /// The environment of the directory's API key does not read.
    #[error(
        "the environment {tag} cannot be served, because its item is damaged: {source}. Give it up with all that it holds, and \
         start again for a new one: `latchkey env delete {tag} --local {dir}`. Or restore table.sqlite from a copy; or move \
         the data directory away to start afresh", dir = dir.display()
    )]
    DamagedEnvironment {
        /// Which.
        tag: Tag,
        /// The data directory.
        dir: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// The environment takes no API key for the server to show.
    #[error(
        "the environment {tag} takes no new API key: it is being deleted, or has all the keys it may have. Finish that with \
         `latchkey env delete {tag} --local {dir}`, or revoke a key of it: `latchkey keys list --local {dir}`, then `latchkey \
         keys revoke ID --local {dir}`", dir = dir.display()
    )]
    NoNewApiKey {
        /// Which.
        tag: Tag,
        /// The data directory.
        dir: PathBuf,
    },
    /// The table cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The environment's tag is not one.
    #[error(transparent)]
    Tag(#[from] MalformedTag),
    /// Ctrl-C and SIGTERM cannot be waited for.
    #[error("cannot wait for Ctrl-C and SIGTERM: {0}")]
    Signal(io::Error),
}
