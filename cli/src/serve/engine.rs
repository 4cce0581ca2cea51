//! The engine and the root key of a data directory: the services that the API and the operators' commands call.

use super::data_dir::DataDir;
use super::kms::RootKey;
use super::listen::Listener;
use super::private::write_file;
use super::running::RunningTasks;
use super::token::Token;
use super::{LocalClock, ServeError, dynamo, kms};
use axum::Router;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// Endpoint URLs of the services that the server calls. They contain the token, which gives access to everything.
#[derive(Clone, Serialize, Deserialize)]
pub struct Endpoints {
    /// The URL of the DynamoDB endpoint.
    pub dynamodb: String,
    /// The URL of the KMS endpoint.
    pub kms: String,
    /// The URL of the SNS endpoint.
    pub sns: String,
}

/// A data directory's table and root key, served on loopback ports by this process.
pub(crate) struct Engine {
    /// The locked data directory; `None` if everything is in memory.
    pub(super) data: Option<DataDir>,
    pub(super) dynamodb_url: String,
    pub(super) kms_url: String,
    /// The token that callers of the ports need.
    pub(super) token: Token,
    pub(super) running: RunningTasks,
}

/// A connection of a command to a data directory.
pub(crate) struct Connection {
    pub(crate) dynamodb_url: String,
    pub(crate) kms_url: String,
    pub(crate) clock: LocalClock,
    /// The engine, if this process opened the data directory; `None` if a running server has it open.
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
        let mut engine = Self { data, dynamodb_url, kms_url, token, running: RunningTasks::default() };
        engine.serve(dynamodb, dynamo::router(table));
        engine.serve(kms, kms::router(root));
        Ok(engine)
    }

    /// Serves another endpoint until the engine stops.
    pub(super) fn serve(&mut self, listener: Listener, routes: Router) {
        let refusals = Router::new().fallback(async || StatusCode::FORBIDDEN);
        self.running.spawn(|stopped| listener.serve(routes, refusals, stopped));
    }

    pub(super) fn clock(&self) -> Result<LocalClock, ServeError> {
        LocalClock::open(self.data.as_ref().map(DataDir::clock_file))
    }

    /// Publishes the endpoints for other processes, until the engine stops.
    pub(super) fn publish_endpoints(&self, endpoints: &Endpoints) -> Result<(), ServeError> {
        let Some(data) = &self.data else { return Ok(()) };
        let path = data.running_file();
        let failed = |source| ServeError::Data { path: path.clone(), source };
        let text = serde_json::to_vec(endpoints).map_err(|error| failed(error.into()))?;
        write_file(&path, &text)
    }

    pub(crate) async fn stop(self) {
        if let Some(data) = &self.data {
            // Ignore errors: the lock, not this file, shows that a server is running.
            let _ = fs::remove_file(data.running_file());
        }
        self.running.stop().await;
    }
}

/// Opens a data directory, or connects to the server that has it open.
pub(crate) async fn connect(dir: &Path) -> Result<Connection, ServeError> {
    match Engine::start(Some(dir), 0, 0).await {
        Ok(engine) => Ok(Connection {
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
            Ok(Connection { dynamodb_url: server.dynamodb, kms_url: server.kms, clock, engine: None })
        }
        Err(error) => Err(error),
    }
}

/// Whether a data directory contains a table.
pub(crate) fn table_exists(dir: &Path) -> bool {
    DataDir::engine_file_in(dir).exists()
}
