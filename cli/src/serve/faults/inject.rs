//! What a call with a fault gets instead of its answer.

use super::super::engine::Endpoints;
use super::{Call, Fault, Faults};
use axum::BoxError;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::pending;

/// The header with the operation, such as `DynamoDB_20120810.GetItem` or `TrentService.Decrypt`. Calls to SNS have
/// none.
const TARGET: &str = "x-amz-target";

/// The service of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) enum Service {
    DynamoDb,
    Kms,
    Sns,
}

impl Service {
    pub(in crate::serve) fn from_headers(headers: &HeaderMap) -> Self {
        match headers.get(TARGET).and_then(|target| target.to_str().ok()) {
            Some(target) if target.starts_with("TrentService.") => Self::Kms,
            Some(_) => Self::DynamoDb,
            None => Self::Sns,
        }
    }

    pub(super) fn url(self, endpoints: &Endpoints) -> &str {
        match self {
            Self::DynamoDb => &endpoints.dynamodb,
            Self::Kms => &endpoints.kms,
            Self::Sns => &endpoints.sns,
        }
    }
}

/// The error of a connection that was broken by a fault.
#[derive(Debug, thiserror::Error)]
#[error("connection broken by an injected fault")]
struct InjectedFault;

impl Faults {
    /// Records one try of a call, and chooses its fault.
    pub(in crate::serve) fn record(&self, headers: &HeaderMap, body: &Bytes) -> Call {
        self.record_try(headers.get("amz-sdk-invocation-id"), || operation(headers, body), body)
    }
}

impl Call {
    /// The answer to one try of the call, which `forwarded` carries out unless the fault prevents it. An error breaks the
    /// connection.
    pub(in crate::serve) async fn carried_out(
        &self,
        service: Service,
        forwarded: impl Future<Output = Result<Response, BoxError>>,
    ) -> Result<Response, BoxError> {
        match self.fault {
            Some(Fault::Throttle) => Ok(throttled(self, service)),
            Some(Fault::ServerError) => {
                Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", service))
            }
            Some(Fault::Conflict) => Ok(conflict(self)),
            Some(Fault::TimeoutBefore) => Err(InjectedFault.into()),
            Some(Fault::SilenceBefore) => pending().await,
            Some(Fault::TimeoutAfter) => {
                forwarded.await?;
                Err(InjectedFault.into())
            }
            Some(Fault::SilenceAfter) => {
                forwarded.await?;
                pending().await
            }
            None => forwarded.await,
        }
    }
}

/// The operation of a request: the last part of the target header, or SNS's `Action`.
fn operation(headers: &HeaderMap, body: &[u8]) -> String {
    if let Some(target) = headers.get(TARGET).and_then(|target| target.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let mut fields: BTreeMap<String, String> = serde_urlencoded::from_bytes(body).unwrap_or_default();
    fields.remove("Action").unwrap_or_default()
}

fn throttled(call: &Call, service: Service) -> Response {
    let code = match service {
        Service::DynamoDb if call.is_write() => "ThrottlingException",
        Service::DynamoDb => "ProvisionedThroughputExceededException",
        Service::Kms => "ThrottlingException",
        Service::Sns => "Throttled",
    };
    refusal(StatusCode::BAD_REQUEST, code, service)
}

/// A conflict: a transaction gets a reason for each of its items, any other write a single error.
fn conflict(call: &Call) -> Response {
    let sent: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let Some(items) = sent.get("TransactItems").and_then(Value::as_array) else {
        return refusal(StatusCode::BAD_REQUEST, "TransactionConflictException", Service::DynamoDb);
    };
    let reason = |at| json!({"Code": if at == 0 { "TransactionConflict" } else { "None" }});
    let reasons: Vec<Value> = (0..items.len()).map(reason).collect();
    let more = json!({ "CancellationReasons": reasons });
    dynamodb(StatusCode::BAD_REQUEST, "TransactionCanceledException", more)
}

fn refusal(status: StatusCode, code: &str, service: Service) -> Response {
    if service != Service::Sns {
        return dynamodb(status, code, json!({}));
    }
    let xml = format!(
        "<ErrorResponse><Error><Code>{code}</Code><Message>Injected fault.</Message></Error></ErrorResponse>"
    );
    (status, [(CONTENT_TYPE, "text/xml")], xml).into_response()
}

fn dynamodb(status: StatusCode, code: &str, mut body: Value) -> Response {
    if let Some(body) = body.as_object_mut() {
        body.insert("__type".to_owned(), json!(format!("com.amazonaws.dynamodb.v20120810#{code}")));
        body.insert("message".to_owned(), json!("Injected fault."));
    }
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}
