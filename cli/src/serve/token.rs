//! The token: what a caller must know to use the server's table, root key and outbox.
//!
//! A loopback port is open to every user of the machine. The token stands in the data directory, so anyone who can read it
//! there may use the port, and no one else. It is a part of the endpoint's URL, which every AWS SDK sends with each call.

use super::ServeError;
use super::data_dir::DataDir;
use super::private::keep;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use shared::ports::{Entropy as _, NoEntropy, OsEntropy};
use std::{fs, io};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The bytes a token is made from: as hard to guess as a key.
const BYTES: usize = 32;

/// 256 random bits, spelled to fit into a URL.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// The token in the data directory, so that the endpoints' URLs outlive the server; a new one if there is none, or no
    /// directory.
    pub(super) fn open(data: Option<&DataDir>) -> Result<Self, ServeError> {
        let Some(path) = data.map(DataDir::token_file) else { return Ok(Self::random()?) };
        match fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => Self::parse(text.trim()).ok_or_else(|| {
                let source = io::Error::other("it does not hold a token; delete it to get a new one");
                ServeError::Data { path, source }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = Self::random()?;
                keep(&path, format!("{}\n", token.expose()).as_bytes())?;
                Ok(token)
            }
            Err(source) => Err(ServeError::Data { path, source }),
        }
    }

    pub(super) fn random() -> Result<Self, NoEntropy> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        OsEntropy.rng()?.fill_bytes(&mut *bytes);
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        (bytes.len() == BYTES).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Its text.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the token, in constant time.
    pub(super) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}
