//! The embedded DynamoDB engine, behind DynamoDB's own protocol on a loopback port.
//!
//! The engine has a server of its own, but one that nothing can be put in front of, and that lets every web page in.

use super::ServeError;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use dynoxide::{Database, DynoxideError};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

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

/// DynamoDB's endpoint.
pub(super) fn router(engine: Database) -> Router {
    Router::new().route("/", post(answer)).layer(DefaultBodyLimit::disable()).with_state(engine)
}

async fn answer(State(engine): State<Database>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix("DynamoDB_20120810.").unwrap_or_default();
    let (status, body) = match carry_out(&engine, operation, &body) {
        None => {
            let unknown = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
            (StatusCode::BAD_REQUEST, unknown.to_owned())
        }
        Some(Ok(answer)) => (StatusCode::OK, answer),
        Some(Err(error)) => {
            (StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST), error.to_json())
        }
    };
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body).into_response()
}

/// The answer to an operation; `None` if it is not one of those the store and its tests, or a developer, may want.
fn carry_out(engine: &Database, operation: &str, body: &[u8]) -> Option<Result<String, DynoxideError>> {
    Some(match operation {
        "BatchGetItem" => call(body, |asked| engine.batch_get_item(asked)),
        "BatchWriteItem" => call(body, |asked| engine.batch_write_item(asked)),
        "CreateTable" => call(body, |asked| engine.create_table(asked)),
        "DeleteItem" => call(body, |asked| engine.delete_item(asked)),
        "DeleteTable" => call(body, |asked| engine.delete_table(asked)),
        "DescribeTable" => call(body, |asked| engine.describe_table(asked)),
        "DescribeTimeToLive" => call(body, |asked| engine.describe_time_to_live(asked)),
        "ExecuteStatement" => call(body, |asked| engine.execute_statement(asked)),
        "GetItem" => call(body, |asked| engine.get_item(asked)),
        "ListTables" => call(body, |asked| engine.list_tables(asked)),
        "PutItem" => call(body, |asked| engine.put_item(asked)),
        "Query" => call(body, |asked| engine.query(asked)),
        "Scan" => call(body, |asked| engine.scan(asked)),
        "TransactGetItems" => call(body, |asked| engine.transact_get_items(asked)),
        "TransactWriteItems" => call(body, |asked| engine.transact_write_items(asked)),
        "UpdateItem" => call(body, |asked| engine.update_item(asked)),
        "UpdateTable" => call(body, |asked| engine.update_table(asked)),
        "UpdateTimeToLive" => call(body, |asked| engine.update_time_to_live(asked)),
        _ => return None,
    })
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let asked = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
    serde_json::to_string(&operation(asked)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
