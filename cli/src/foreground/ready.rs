//! The file of `serve --ready-file`: where a server is, for the program that started it, for as long as the server runs.

use crate::serve::private::{remove, replace_file};
use crate::serve::{Endpoints, Local, Options};
use serde::Serialize;
use std::ffi::OsString;
use std::io;
use std::path::{self, PathBuf};
use std::process;

/// What the file contains, as JSON. It has what the greeting has.
#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
    api_key: &'a str,
    /// `null` if the console is turned off.
    console_url: Option<String>,
    endpoints: Endpoints,
    /// An absolute path; `null` if everything is in memory.
    data_dir: Option<PathBuf>,
    pid: u32,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write the ready file {}: {source}. Choose a file in a directory that exists and that you can write to: \
     --ready-file FILE", path.display()
)]
pub(super) struct ReadyFileError {
    path: PathBuf,
    source: io::Error,
}

/// The path of the file. It exists from [`write`](Self::write) to [`remove`](Self::remove).
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Removes the file of an earlier server that was killed, so that no one takes it for this one's.
    pub(super) fn new(path: PathBuf) -> Result<Self, ReadyFileError> {
        let file = Self(path);
        file.delete()?;
        Ok(file)
    }

    /// Writes the file. A reader finds all of it, because it gets its name when it is complete.
    pub(super) fn write(&self, local: &Local, options: &Options) -> Result<(), ReadyFileError> {
        let endpoints = Endpoints {
            dynamodb: local.dynamodb_url.clone(),
            kms: local.kms_url.clone(),
            sns: local.sns_url.clone(),
        };
        let ready = Ready {
            url: &local.url,
            api_key: local.api_key.expose(),
            console_url: options.has_console().then(|| format!("{}/", local.url)),
            endpoints,
            data_dir: local
                .data_dir
                .as_deref()
                .map(path::absolute)
                .transpose()
                .map_err(|error| self.failed(error))?,
            pid: process::id(),
        };
        let text = serde_json::to_vec(&ready).map_err(|error| self.failed(error.into()))?;
        // Servers that are started at the same time may have files in one directory.
        let mut temporary = OsString::from(&self.0);
        temporary.push(format!(".{}", process::id()));
        replace_file(&self.0, temporary.as_ref(), &text).map_err(|error| self.failed(error))
    }

    /// Removes the file.
    pub(super) fn remove(self) -> Result<(), ReadyFileError> {
        self.delete()
    }

    fn delete(&self) -> Result<(), ReadyFileError> {
        remove(&self.0).map_err(|error| self.failed(error))
    }

    fn failed(&self, source: io::Error) -> ReadyFileError {
        ReadyFileError { path: self.0.clone(), source }
    }
}
