//! The token that a caller needs to use the server's table, root key and outbox.
//!
//! A loopback port is open to every user of the machine. The token is stored in the data directory, so only users who
//! can read the directory can use the port. It is part of the endpoint URL, so it works with every AWS SDK.

use super::ServeError;
use super::data_dir::DataDir;
use super::private::write_file;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use shared::ports::{Entropy as _, NoEntropy, OsEntropy};
use std::{fs, io};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Number of random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// A token: 256 random bits in URL-safe Base64.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Reads the token from the data directory, so that endpoint URLs stay the same after a restart. Generates one if
    /// there is none, or no directory.
    pub(super) fn open(data: Option<&DataDir>) -> Result<Self, ServeError> {
        let Some(path) = data.map(DataDir::token_file) else { return Ok(Self::random()?) };
        match fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => Self::parse(text.trim()).ok_or_else(|| {
                let source = io::Error::other("it does not hold a token; delete it to get a new one");
                ServeError::Data { path, source }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = Self::random()?;
                write_file(&path, format!("{}\n", token.expose()).as_bytes())?;
                Ok(token)
            }
            Err(source) => Err(ServeError::Data { path, source }),
        }
    }

    pub(super) fn random() -> Result<Self, NoEntropy> {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        OsEntropy.rng()?.fill_bytes(&mut *bytes);
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        (bytes.len() == TOKEN_BYTES).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text form.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this token, compared in constant time.
    pub(super) fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}
