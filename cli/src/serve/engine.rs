//! The engine and the root key of a data directory: the services that the API and the operators' commands call.

use super::data_dir::DataDir;
use super::in_process::InProcess;
use super::kms::RootKey;
use super::listen::Listener;
use super::private::write_file;
use super::running::RunningTasks;
use super::token::Token;
use super::ttl::Collector;
use super::{LocalClock, ServeError, dynamo, kms};
use axum::Router;
use dynoxide::Database;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::sync::Arc;

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
    pub(super) table: Database,
    /// The locked data directory; `None` if everything is in memory.
    pub(super) data: Option<DataDir>,
    pub(super) dynamodb_url: String,
    pub(super) kms_url: String,
    /// The DynamoDB endpoint, for clients in this process.
    pub(super) dynamodb: InProcess,
    /// The KMS endpoint, for clients in this process.
    pub(super) kms: InProcess,
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
        let mut running = RunningTasks::default();
        let dynamodb = serve(&mut running, dynamodb, dynamo::router(table.clone()));
        let kms = serve(&mut running, kms, kms::router(root));
        Ok(Self { table, data, dynamodb_url, kms_url, dynamodb, kms, token, running })
    }

    /// Serves another endpoint until the engine stops. Returns it for clients in this process.
    pub(super) fn serve(&mut self, listener: Listener, routes: Router) -> InProcess {
        serve(&mut self.running, listener, routes)
    }

    /// Deletes expired items from now on, until the engine stops.
    pub(super) fn collect_expired(&mut self, clock: LocalClock) {
        let collector = Collector { table: self.table.clone(), clock };
        self.running.spawn(|stopped| collector.run(stopped));
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

/// Serves an endpoint until the tasks are stopped. Returns it for clients in this process.
fn serve(running: &mut RunningTasks, listener: Listener, routes: Router) -> InProcess {
    let routes = Arc::new(routes);
    let in_process = InProcess::new(&routes);
    let refusals = Router::new().fallback(async || StatusCode::FORBIDDEN);
    running.spawn(|stopped| async move {
        listener.serve(Router::clone(&routes), refusals, stopped).await;
    });
    in_process
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
