//! Where entries are read from: a file, standard input, or the directory that `latchkey export` wrote; encrypted or not.

use super::format::DETECTED_BYTES;
use super::read::Source;
use crate::error::TransferError;
use age::{Decryptor, Identity, IdentityFile};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

/// The first bytes of an age file.
const AGE_HEADER: &[u8] = b"age-encryption.org/v1";

/// The name of standard input.
pub(super) const STDIN: &str = "-";

/// The identities that decrypt files.
pub(super) type Identities = Vec<Box<dyn Identity + Send + Sync>>;

/// Reads the identities of a file that `age-keygen` wrote.
pub(super) fn identities(path: &Path) -> Result<Identities, TransferError> {
    let file = open_file(path)?;
    // The error is not shown: it can contain a line of the file.
    let no_identity = || TransferError::NoIdentity(path.to_owned());
    let file = IdentityFile::from_buffer(BufReader::new(file)).map_err(|_| no_identity())?;
    file.into_identities().ok().filter(|identities| !identities.is_empty()).ok_or_else(no_identity)
}

/// Opens a file, standard input, or the parts of an export in their order.
pub(super) fn open(path: &Path, identities: Identities) -> Result<Source, TransferError> {
    if path.as_os_str() == STDIN {
        return decrypted(path, &identities, buffered(io::stdin()));
    }
    if !path.is_dir() {
        return decrypted(path, &identities, buffered(open_file(path)?));
    }
    let parts = crate::export::complete_parts(path)?;
    let concatenated = Concatenated { parts: parts.into_iter(), identities, current: Box::new(io::empty()) };
    Ok(buffered(concatenated))
}

/// A buffer in which the start of a file is long enough to detect its format.
fn buffered(file: impl Read + Send + 'static) -> Source {
    Box::new(BufReader::with_capacity(DETECTED_BYTES, file))
}

fn open_file(path: &Path) -> Result<File, TransferError> {
    File::open(path).map_err(|source| TransferError::File { path: path.to_owned(), source })
}

fn decrypted(path: &Path, identities: &Identities, mut file: Source) -> Result<Source, TransferError> {
    let start = file.fill_buf().map_err(|source| TransferError::File { path: path.to_owned(), source })?;
    if !start.starts_with(AGE_HEADER) {
        return Ok(file);
    }
    if identities.is_empty() {
        return Err(TransferError::Encrypted(path.to_owned()));
    }
    let opened = Decryptor::new_buffered(file).and_then(|decryptor| {
        decryptor.decrypt(identities.iter().map(|identity| {
            let identity: &dyn Identity = identity.as_ref();
            identity
        }))
    });
    let opened = opened
        .map_err(|error| TransferError::CannotDecrypt { path: path.to_owned(), cause: error.to_string() })?;
    Ok(buffered(opened))
}

/// Files one after the other. Each is opened when the one before it ends.
struct Concatenated {
    parts: std::vec::IntoIter<PathBuf>,
    identities: Identities,
    current: Source,
}

impl Read for Concatenated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            let Some(part) = self.parts.next() else { return Ok(0) };
            let file = buffered(File::open(&part)?);
            self.current = decrypted(&part, &self.identities, file).map_err(io::Error::other)?;
        }
    }
}
