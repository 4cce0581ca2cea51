//! The embedded DynamoDB engine, behind DynamoDB's own protocol on a loopback port.

use super::ServeError;
use dynoxide::Database;
use std::path::PathBuf;
use tokio::net::TcpListener;

/// Opens the engine over its file, or in memory, and drops what has expired long ago.
pub(super) fn open(file: Option<PathBuf>) -> Result<Database, ServeError> {
    let engine = match file {
        Some(file) => Database::new(&file.to_string_lossy()),
        None => Database::memory(),
    };
    engine
        .and_then(|engine| engine.sweep_ttl().map(|_| engine))
        .map_err(|error| ServeError::Engine(error.to_string()))
}

/// Serves the engine until `stopped`.
pub(super) async fn serve(
    listener: TcpListener,
    engine: Database,
    stopped: impl Future<Output = ()> + Send + 'static,
) {
    if let Err(error) = dynoxide::server::serve_with_shutdown(listener, engine, stopped).await {
        tracing::error!(error, "the engine stopped");
    }
}
