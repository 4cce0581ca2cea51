//! Options of the local server.

use super::activity::Printer;
use super::faults::Faults;
use shared::config::Settings;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Options of the local server.
#[derive(Clone)]
pub struct Options {
    /// The address to listen on.
    pub addr: IpAddr,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// The data directory; `None` keeps everything in memory.
    pub data_dir: Option<PathBuf>,
    /// The loopback port of the DynamoDB endpoint; 0 picks a free one.
    pub dynamodb_port: u16,
    /// The loopback port of the root key's KMS endpoint; 0 picks a free one.
    pub kms_port: u16,
    /// The loopback port of the outbox's SNS endpoint; 0 picks a free one.
    pub sns_port: u16,
    /// Whether to turn on `/_dev` even if `addr` is not a loopback address.
    pub expose_dev: bool,
    /// Faults to inject into the server's calls to its table, keys and outbox.
    pub faults: Option<Faults>,
    /// Prints a line per request of the API, for people; `None` if the log has the audit lines as they are.
    pub printer: Option<Printer>,
    /// The settings from environment variables.
    pub settings: Settings,
}

impl Options {
    /// A server on free loopback ports, in memory, without faults.
    #[must_use]
    pub fn in_memory(settings: Settings) -> Self {
        Self {
            addr: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            data_dir: None,
            dynamodb_port: 0,
            kms_port: 0,
            sns_port: 0,
            expose_dev: false,
            faults: None,
            printer: None,
            settings,
        }
    }

    /// Whether the server has `/_dev`, with which anyone can read messages and move the clock without a key.
    pub(crate) fn has_dev(&self) -> bool {
        self.addr.is_loopback() || self.expose_dev
    }

    /// Whether the server has the console, which hands out the API key.
    pub(crate) fn has_console(&self) -> bool {
        self.addr.is_loopback()
    }
}
