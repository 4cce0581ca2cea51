//! The fault proxy: it forwards every call as it came, unless the plan has a fault for it.

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

/// `DynamoDB_20120810.GetItem` or `TrentService.Decrypt`; calls to SNS have none.
const TARGET: &str = "x-amz-target";

/// What looks at calls as they pass.
pub type Watch = Arc<dyn Fn(&Call) + Send + Sync>;

/// What stands behind the proxy.
#[derive(Clone)]
pub struct Proxy {
    /// Where calls go on to.
    pub behind: Endpoints,
    /// Which of them fail.
    pub faults: Faults,
    /// Is shown every try of every call, with its fault.
    pub watch: Option<Watch>,
}

/// Whom a call is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    DynamoDb,
    Kms,
    Sns,
}

impl Service {
    fn of(headers: &HeaderMap) -> Self {
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

/// A fault that breaks the connection.
#[derive(Debug, thiserror::Error)]
#[error("broken on purpose")]
struct Broken;

impl Proxy {
    /// Serves until `stopped`.
    pub async fn serve(self, listener: Listener, stopped: impl Future<Output = ()>) {
        let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
        let calls = service_fn(move |request| self.clone().answer(client.clone(), request));
        let refusals = Router::new().fallback(async || StatusCode::FORBIDDEN);
        listener.serve(calls, refusals, stopped).await;
    }

    /// Answers one try of a call. An error breaks the connection.
    async fn answer(
        self,
        client: Client<HttpConnector, Body>,
        request: Request<Body>,
    ) -> Result<Response, BoxError> {
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await?;
        let id = parts.headers.get("amz-sdk-invocation-id");
        let call = self.faults.next(id, || operation(&parts.headers, &body), &body);
        if let Some(watch) = &self.watch {
            watch(&call);
        }
        let service = Service::of(&parts.headers);
        match call.fault {
            Some(Fault::Throttle) => return Ok(throttled(&call, service)),
            Some(Fault::ServerError) => {
                return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", service));
            }
            Some(Fault::Conflict) => return Ok(conflict(&call)),
            Some(Fault::TimeoutBefore) => return Err(Broken.into()),
            Some(Fault::SilenceBefore) => pending().await,
            Some(Fault::TimeoutAfter | Fault::SilenceAfter) | None => {}
        }
        let to = service.url(&self.behind);
        parts.uri = format!("{to}{}", parts.uri.path()).parse::<Uri>()?;
        let answer = client.request(Request::from_parts(parts, Body::from(body))).await?;
        match call.fault {
            Some(Fault::TimeoutAfter) => Err(Broken.into()),
            Some(Fault::SilenceAfter) => pending().await,
            _ => Ok(answer.map(Body::new)),
        }
    }
}

/// The operation a request is of: the last part of DynamoDB's target, or SNS's `Action`.
fn operation(headers: &HeaderMap, body: &[u8]) -> String {
    if let Some(target) = headers.get(TARGET).and_then(|target| target.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let mut fields: BTreeMap<String, String> = serde_urlencoded::from_bytes(body).unwrap_or_default();
    fields.remove("Action").unwrap_or_default()
}

fn throttled(call: &Call, service: Service) -> Response {
    let code = match service {
        Service::DynamoDb if call.writes() => "ThrottlingException",
        Service::DynamoDb => "ProvisionedThroughputExceededException",
        Service::Kms => "ThrottlingException",
        Service::Sns => "Throttled",
    };
    refusal(StatusCode::BAD_REQUEST, code, service)
}

/// A transaction is told the reason for each of its items, any other write is refused as a whole.
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
        "<ErrorResponse><Error><Code>{code}</Code><Message>Failed on purpose.</Message></Error></ErrorResponse>"
    );
    (status, [(CONTENT_TYPE, "text/xml")], xml).into_response()
}

fn dynamodb(status: StatusCode, code: &str, mut body: Value) -> Response {
    if let Some(body) = body.as_object_mut() {
        body.insert("__type".to_owned(), json!(format!("com.amazonaws.dynamodb.v20120810#{code}")));
        body.insert("message".to_owned(), json!("Failed on purpose."));
    }
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}
