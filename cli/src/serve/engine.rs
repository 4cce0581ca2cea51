//! The engine and the root key of a data directory: what is behind the API, and all that an operator's command needs.

use super::data_dir::DataDir;
use super::kms::RootKey;
use super::listen::Listener;
use super::private::keep;
use super::running::Running;
use super::token::Token;
use super::{LocalClock, ServeError, dynamo, kms};
use axum::Router;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// Where what the server calls is reached. The URLs hold the token: anyone who has them may use everything.
#[derive(Clone, Serialize, Deserialize)]
pub struct Endpoints {
    /// The table.
    pub dynamodb: String,
    /// The root key.
    pub kms: String,
    /// Text messages.
    pub sns: String,
}

/// A data directory's table and keys, served on loopback ports by this process.
pub(crate) struct Engine {
    /// Held so that no other process uses it; `None` if nothing is kept.
    pub(super) data: Option<DataDir>,
    pub(super) dynamodb_url: String,
    pub(super) kms_url: String,
    /// What callers of the ports must know.
    pub(super) token: Token,
    pub(super) running: Running,
}

/// A data directory, as a command found it.
pub(crate) struct Reached {
    pub(crate) dynamodb_url: String,
    pub(crate) kms_url: String,
    pub(crate) clock: LocalClock,
    /// What serves it, if no server does.
    pub(crate) engine: Option<Engine>,
}

impl Engine {
    pub(super) async fn start(
        data_dir: Option<&Path>,
        dynamodb_port: u16,
        kms_port: u16,
    ) -> Result<Self, ServeError> {
        let data = data_dir.map(DataDir::open).transpose()?;
        let token = Token::open(data.as_ref())?;
        let table = dynamo::open(data.as_ref().map(DataDir::engine_file).transpose()?)?;
        let root = RootKey::open(data.as_ref())?;
        let dynamodb = Listener::loopback(dynamodb_port, Some(token.clone())).await?;
        let kms = Listener::loopback(kms_port, Some(token.clone())).await?;
        let (dynamodb_url, kms_url) = (dynamodb.url().to_owned(), kms.url().to_owned());
        let mut engine = Self { data, dynamodb_url, kms_url, token, running: Running::default() };
        engine.serve(dynamodb, dynamo::router(table));
        engine.serve(kms, kms::router(root));
        Ok(engine)
    }

    /// Serves more on a loopback port of its own, until the engine stops.
    pub(super) fn serve(&mut self, listener: Listener, routes: Router) {
        let refusals = Router::new().fallback(async || StatusCode::FORBIDDEN);
        self.running.spawn(|stopped| listener.serve(routes, refusals, stopped));
    }

    pub(super) fn clock(&self) -> Result<LocalClock, ServeError> {
        LocalClock::open(self.data.as_ref().map(DataDir::clock_file))
    }

    /// Tells other processes where to find what this one serves, for as long as it does.
    pub(super) fn announce(&self, endpoints: &Endpoints) -> Result<(), ServeError> {
        let Some(data) = &self.data else { return Ok(()) };
        let path = data.running_file();
        let failed = |source| ServeError::Data { path: path.clone(), source };
        let text = serde_json::to_vec(endpoints).map_err(|error| failed(error.into()))?;
        keep(&path, &text)
    }

    pub(crate) async fn stop(self) {
        if let Some(data) = &self.data {
            // The lock says who is running; this only says where.
            let _ = fs::remove_file(data.running_file());
        }
        self.running.stop().await;
    }
}

/// Opens a data directory, or finds the server that has it open.
pub(crate) async fn reach(dir: &Path) -> Result<Reached, ServeError> {
    match Engine::start(Some(dir), 0, 0).await {
        Ok(engine) => Ok(Reached {
            dynamodb_url: engine.dynamodb_url.clone(),
            kms_url: engine.kms_url.clone(),
            clock: engine.clock()?,
            engine: Some(engine),
        }),
        Err(ServeError::Locked(_)) => {
            let busy = |_| ServeError::Busy(dir.to_owned());
            let text = fs::read(DataDir::running_file_in(dir)).map_err(busy)?;
            let server: Endpoints =
                serde_json::from_slice(&text).map_err(|_| ServeError::Busy(dir.to_owned()))?;
            let clock = LocalClock::open(Some(DataDir::clock_file_in(dir)))?;
            Ok(Reached { dynamodb_url: server.dynamodb, kms_url: server.kms, clock, engine: None })
        }
        Err(error) => Err(error),
    }
}

/// Whether there is a table in a data directory.
pub(crate) fn is_made(dir: &Path) -> bool {
    DataDir::engine_file_in(dir).exists()
}
