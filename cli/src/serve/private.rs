//! Files and folders of this user alone, whatever the umask says and whatever someone else has put there.

use super::ServeError;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The mode of a file that only its owner may read and write.
const OWNER_ONLY: u32 = 0o600;

/// What a mode grants to the owner.
const OF_THE_OWNER: u32 = 0o700;

/// What a mode grants to everyone else: anything, or writing.
const OF_OTHERS: u32 = 0o077;
const WRITE_OF_OTHERS: u32 = 0o022;

/// Makes a folder if there is none, and refuses one that others could plant files in.
pub(super) fn folder(path: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::Data { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let (named, folder) = (path.symlink_metadata().map_err(failed)?, path.metadata().map_err(failed)?);
    let foreign = [named.uid(), folder.uid()].into_iter().find(|owner| *owner != user());
    if let Some(owner) = foreign {
        return Err(ServeError::ForeignFolder { path: path.to_owned(), owner });
    }
    let mode = folder.mode() & (OF_THE_OWNER | OF_OTHERS);
    if mode & WRITE_OF_OTHERS == 0 {
        Ok(())
    } else {
        Err(ServeError::OpenFolder { path: path.to_owned(), mode })
    }
}

/// Makes a file that is there this user's alone, and refuses one that is not quite a file of its own.
pub(super) fn tighten(path: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::Data { path: path.to_owned(), source };
    let refused = |what| Err(ServeError::Planted { path: path.to_owned(), what });
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(file) if file.is_symlink() => refused("a link"),
        Ok(file) if !file.is_file() => refused("no regular file"),
        Ok(file) if file.uid() != user() => refused("another user's"),
        Ok(file) if file.nlink() > 1 => refused("a hard link to another file"),
        Ok(file) if file.mode() & OF_OTHERS == 0 => Ok(()),
        Ok(file) => {
            fs::set_permissions(path, Permissions::from_mode(file.mode() & OF_THE_OWNER)).map_err(failed)
        }
    }
}

/// Writes a file as a whole or not at all, whenever the process is killed.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> Result<(), ServeError> {
    let unfinished = path.with_extension("new");
    remove(&unfinished)
        .and_then(|()| new(&unfinished))
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(|source| ServeError::Data { path: path.to_owned(), source })
}

/// Makes a file that is not there.
pub(super) fn new(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(OWNER_ONLY).open(path)
}

/// Opens a file to write at its end.
pub(super) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(OWNER_ONLY).open(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
