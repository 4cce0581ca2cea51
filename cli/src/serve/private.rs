//! Files and directories that only their owner can use, regardless of the umask and of files that other users have
//! created.

use super::ServeError;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The mode of a file that only its owner can read and write.
const OWNER_ONLY: u32 = 0o600;

/// The permission bits of the owner.
const OWNER_BITS: u32 = 0o700;

/// The permission bits of group and others: all, and write only.
const OTHERS_BITS: u32 = 0o077;
const OTHERS_WRITE_BITS: u32 = 0o022;

/// Creates a directory if it does not exist. Refuses one that other users own or can write to.
pub(crate) fn create_dir(path: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::Data { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let (link, dir) = (path.symlink_metadata().map_err(failed)?, path.metadata().map_err(failed)?);
    let other_owner = [link.uid(), dir.uid()].into_iter().find(|owner| *owner != current_uid());
    if let Some(owner) = other_owner {
        return Err(ServeError::OwnedByOtherUser { path: path.to_owned(), owner });
    }
    let mode = dir.mode() & (OWNER_BITS | OTHERS_BITS);
    if mode & OTHERS_WRITE_BITS == 0 {
        Ok(())
    } else {
        Err(ServeError::WritableByOthers { path: path.to_owned(), mode })
    }
}

/// Restricts an existing file to its owner. Refuses a file that is not a regular file of this user.
pub(super) fn restrict(path: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::Data { path: path.to_owned(), source };
    let refused = |reason| Err(ServeError::UnexpectedFile { path: path.to_owned(), reason });
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(file) if file.is_symlink() => refused("a symbolic link"),
        Ok(file) if !file.is_file() => refused("not a regular file"),
        Ok(file) if file.uid() != current_uid() => refused("owned by another user"),
        Ok(file) if file.nlink() > 1 => refused("a hard link to another file"),
        Ok(file) if file.mode() & OTHERS_BITS == 0 => Ok(()),
        Ok(file) => {
            fs::set_permissions(path, Permissions::from_mode(file.mode() & OWNER_BITS)).map_err(failed)
        }
    }
}

/// Writes a file of a data directory atomically, even if the process is killed.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ServeError> {
    replace_file(path, &path.with_extension("new"), bytes)
        .map_err(|source| ServeError::Data { path: path.to_owned(), source })
}

/// Writes a file under a temporary name and renames it.
pub(crate) fn replace_file(path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    remove(temporary)?;
    let mut file = create_new(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Creates a file that must not exist.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(OWNER_ONLY).open(path)
}

/// Opens a file for appending.
pub(super) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(OWNER_ONLY).open(path)
}

/// Removes a file, if there is one.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn current_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
