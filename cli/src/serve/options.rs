//! How to serve.

use super::faults::Faults;
use shared::config::Settings;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// How to serve.
#[derive(Clone)]
pub struct Options {
    /// The address to listen on.
    pub addr: IpAddr,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// Where everything is kept; `None` keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// The loopback port of the engine; 0 picks a free one.
    pub dynamodb_port: u16,
    /// The loopback port of the root key's KMS endpoint; 0 picks a free one.
    pub kms_port: u16,
    /// The loopback port of the outbox's SNS endpoint; 0 picks a free one.
    pub sns_port: u16,
    /// Whether other machines may use `/_dev`, if `addr` lets them in.
    pub expose_dev: bool,
    /// Which calls of the server to its own table and outbox fail; `None` lets none.
    pub faults: Option<Faults>,
    /// What the environment says.
    pub settings: Settings,
}

impl Options {
    /// Serves this machine on free ports, keeps nothing, and nothing fails.
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
            settings,
        }
    }

    /// Whether the server has `/_dev`: it lets anyone read messages and move the clock, without a key.
    pub(crate) fn has_dev(&self) -> bool {
        self.addr.is_loopback() || self.expose_dev
    }
}
