//! A part of an export: a file that has its name only when it is complete.

use crate::error::TransferError;
use crate::serve::private;
use age::stream::StreamWriter;
use age::x25519::Recipient;
use age::{EncryptError, Encryptor};
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A part that is being written.
pub(super) struct Part {
    path: PathBuf,
    unfinished: PathBuf,
    file: PartFile,
}

enum PartFile {
    Plain(BufWriter<File>),
    Encrypted(Box<StreamWriter<BufWriter<File>>>),
}

impl Part {
    /// Creates a part, encrypted to `recipients` unless there are none. Replaces what an interrupted run left.
    pub(super) fn create(dir: &Path, name: &str, recipients: &[Recipient]) -> Result<Self, TransferError> {
        let (path, unfinished) = (dir.join(name), dir.join(format!("{name}.unfinished")));
        let file = match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => private::create_new(&unfinished).map(BufWriter::new),
        };
        let file = file.and_then(|file| {
            if recipients.is_empty() {
                return Ok(PartFile::Plain(file));
            }
            let recipients = recipients.iter().map(|recipient| {
                let recipient: &dyn age::Recipient = recipient;
                recipient
            });
            let encryptor = Encryptor::with_recipients(recipients).map_err(encrypt_error)?;
            Ok(PartFile::Encrypted(Box::new(encryptor.wrap_output(file)?)))
        });
        let file = file.map_err(|source| TransferError::File { path: unfinished.clone(), source })?;
        Ok(Self { path, unfinished, file })
    }

    /// Adds a line.
    pub(super) fn write_line(&mut self, line: &[u8]) -> Result<(), TransferError> {
        let writer: &mut dyn Write = match &mut self.file {
            PartFile::Plain(file) => file,
            PartFile::Encrypted(file) => file,
        };
        let written = writer.write_all(line).and_then(|()| writer.write_all(b"\n"));
        written.map_err(|source| TransferError::File { path: self.unfinished.clone(), source })
    }

    /// Completes the part and gives it its name.
    pub(super) fn finish(self) -> Result<(), TransferError> {
        let file = match self.file {
            PartFile::Plain(file) => Ok(file),
            PartFile::Encrypted(file) => file.finish(),
        };
        let finished = file
            .and_then(|file| file.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.unfinished, &self.path));
        finished.map_err(|source| TransferError::File { path: self.path, source })
    }
}

fn encrypt_error(error: EncryptError) -> io::Error {
    match error {
        EncryptError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}
