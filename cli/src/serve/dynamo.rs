//! The embedded DynamoDB engine, served with DynamoDB's protocol.
//!
//! Does not use the engine's own server, which accepts requests from any web page and cannot be wrapped in middleware.

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

/// Opens the engine with its file, or in memory.
pub(super) fn open(file: Option<PathBuf>) -> Result<Database, ServeError> {
    let engine = match file {
        Some(file) => Database::new(&file.to_string_lossy()),
        None => Database::memory(),
    };
    engine.map_err(|error| ServeError::Engine(error.to_string()))
}

/// The DynamoDB endpoint.
pub(super) fn router(engine: Database) -> Router {
    Router::new().route("/", post(answer)).layer(DefaultBodyLimit::disable()).with_state(engine)
}

async fn answer(State(engine): State<Database>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix("DynamoDB_20120810.").unwrap_or_default();
    let (status, body) = match execute(&engine, operation, &body) {
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

/// Executes an operation; `None` if it is not supported.
fn execute(engine: &Database, operation: &str, body: &[u8]) -> Option<Result<String, DynoxideError>> {
    Some(match operation {
        "BatchGetItem" => call(body, |input| engine.batch_get_item(input)),
        "BatchWriteItem" => call(body, |input| engine.batch_write_item(input)),
        "CreateTable" => call(body, |input| engine.create_table(input)),
        "DeleteItem" => call(body, |input| engine.delete_item(input)),
        "DeleteTable" => call(body, |input| engine.delete_table(input)),
        "DescribeTable" => call(body, |input| engine.describe_table(input)),
        "DescribeTimeToLive" => call(body, |input| engine.describe_time_to_live(input)),
        "ExecuteStatement" => call(body, |input| engine.execute_statement(input)),
        "GetItem" => call(body, |input| engine.get_item(input)),
        "ListTables" => call(body, |input| engine.list_tables(input)),
        "PutItem" => call(body, |input| engine.put_item(input)),
        "Query" => call(body, |input| engine.query(input)),
        "Scan" => call(body, |input| engine.scan(input)),
        "TransactGetItems" => call(body, |input| engine.transact_get_items(input)),
        "TransactWriteItems" => call(body, |input| engine.transact_write_items(input)),
        "UpdateItem" => call(body, |input| engine.update_item(input)),
        "UpdateTable" => call(body, |input| engine.update_table(input)),
        "UpdateTimeToLive" => call(body, |input| engine.update_time_to_live(input)),
        _ => return None,
    })
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let input = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
    serde_json::to_string(&operation(input)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
