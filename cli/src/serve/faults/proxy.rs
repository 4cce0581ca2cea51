//! The fault proxy: forwards every call unchanged, unless the plan has a fault for it.

use super::super::engine::Endpoints;
use super::super::listen::Listener;
use super::{Call, Fault, Faults};
use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse as _, Response};
use axum::{BoxError, Router};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use tower::service_fn;

/// The header with the operation, such as `DynamoDB_20120810.GetItem` or `TrentService.Decrypt`. Calls to SNS have
/// none.
const TARGET: &str = "x-amz-target";

/// A callback for every try of every call.
pub type Watch = Arc<dyn Fn(&Call) + Send + Sync>;

/// A proxy in front of the AWS endpoints.
#[derive(Clone)]
pub struct Proxy {
    /// The endpoints that calls are forwarded to.
    pub upstream: Endpoints,
    /// The fault plan.
    pub faults: Faults,
    /// Called for every try of every call, with its fault.
    pub watch: Option<Watch>,
}

/// The service of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    DynamoDb,
    Kms,
    Sns,
}

impl Service {
    fn from_headers(headers: &HeaderMap) -> Self {
        match headers.get(TARGET).and_then(|target| target.to_str().ok()) {
            Some(target) if target.starts_with("TrentService.") => Self::Kms,
            Some(_) => Self::DynamoDb,
            None => Self::Sns,
        }
    }

    fn url(self, endpoints: &Endpoints) -> &str {
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

impl Proxy {
    /// Serves until `stopped`.
    pub async fn serve(self, listener: Listener, stopped: impl Future<Output = ()>) {
        let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
        let calls = service_fn(move |request| self.clone().answer(client.clone(), request));
        let refusals = Router::new().fallback(async || StatusCode::FORBIDDEN);
        listener.serve(calls, refusals, stopped).await;
    }

    /// Handles one try of a call. An error breaks the connection.
    async fn answer(
        self,
        client: Client<HttpConnector, Body>,
        request: Request<Body>,
    ) -> Result<Response, BoxError> {
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await?;
        let id = parts.headers.get("amz-sdk-invocation-id");
        let call = self.faults.record_try(id, || operation(&parts.headers, &body), &body);
        if let Some(watch) = &self.watch {
            watch(&call);
        }
        let service = Service::from_headers(&parts.headers);
        match call.fault {
            Some(Fault::Throttle) => return Ok(throttled(&call, service)),
            Some(Fault::ServerError) => {
                return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", service));
            }
            Some(Fault::Conflict) => return Ok(conflict(&call)),
            Some(Fault::TimeoutBefore) => return Err(InjectedFault.into()),
            Some(Fault::SilenceBefore) => pending().await,
            Some(Fault::TimeoutAfter | Fault::SilenceAfter) | None => {}
        }
        let to = service.url(&self.upstream);
        parts.uri = format!("{to}{}", parts.uri.path()).parse::<Uri>()?;
        let answer = client.request(Request::from_parts(parts, Body::from(body))).await?;
        match call.fault {
            Some(Fault::TimeoutAfter) => Err(InjectedFault.into()),
            Some(Fault::SilenceAfter) => pending().await,
            _ => Ok(answer.map(Body::new)),
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
