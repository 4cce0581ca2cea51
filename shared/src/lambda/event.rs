//! Events of an API Gateway HTTP API (payload format 2.0), and the responses to them.
//!
//! Any event becomes a request or [`MalformedEvent`], never a panic. Only the method, path, query, headers, body and the
//! gateway's request ID are read.

use crate::http::GatewayRequestId;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use lambda_runtime::Error;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Characters that are not encoded in a path: RFC 3986's unreserved characters and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Characters that are not encoded in a query, which is already percent-encoded: as in [`PATH`], plus those that encode
/// and separate fields.
const QUERY: &AsciiSet = &PATH.remove(b'%').remove(b'&').remove(b'=').remove(b'+');

/// The event is not an HTTP API event, or contains something that is invalid in HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MalformedEvent;

/// The response of a function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
    /// Always empty, but required by `cargo lambda watch`.
    cookies: [String; 0],
}

/// Converts an event to a request.
pub(super) fn request(event: &str) -> Result<Request, MalformedEvent> {
    let event: Value = serde_json::from_str(event).map_err(|_| MalformedEvent)?;
    let mut request = Request::new(Body::from(body(&event)?));
    *request.method_mut() = method(&event)?;
    *request.uri_mut() = uri(&event)?;
    *request.headers_mut() = headers(&event)?;
    if let Some(id) = request_id(&event) {
        request.extensions_mut().insert(id);
    }
    Ok(request)
}

fn request_id(event: &Value) -> Option<GatewayRequestId> {
    event.pointer("/requestContext/requestId").and_then(Value::as_str).and_then(GatewayRequestId::parse)
}

fn method(event: &Value) -> Result<Method, MalformedEvent> {
    let method =
        event.pointer("/requestContext/http/method").and_then(Value::as_str).ok_or(MalformedEvent)?;
    method.parse().map_err(|_| MalformedEvent)
}

/// The path and the query. API Gateway sends the path percent-decoded, and the router decodes it again. Encoding it in
/// between keeps the user ID `a%41` from being decoded twice to `aA`.
fn uri(event: &Value) -> Result<Uri, MalformedEvent> {
    let text = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let path = text("rawPath");
    if !path.starts_with('/') {
        return Err(MalformedEvent);
    }
    let mut uri = utf8_percent_encode(path, PATH).to_string();
    let query = text("rawQueryString");
    if !query.is_empty() {
        uri.push('?');
        uri.extend(utf8_percent_encode(query, QUERY));
    }
    uri.parse().map_err(|_| MalformedEvent)
}

/// The headers, without those that are invalid in HTTP.
fn headers(event: &Value) -> Result<HeaderMap, MalformedEvent> {
    let mut headers = HeaderMap::new();
    for (name, value) in event.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value) {
            headers.try_append(name, value).map_err(|_| MalformedEvent)?;
        }
    }
    Ok(headers)
}

fn body(event: &Value) -> Result<Vec<u8>, MalformedEvent> {
    let encoded = event.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or_default();
    match event.get("body") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) if encoded => STANDARD.decode(text).map_err(|_| MalformedEvent),
        Some(Value::String(text)) => Ok(text.clone().into_bytes()),
        Some(_) => Err(MalformedEvent),
    }
}

impl GatewayResponse {
    /// Converts a response for API Gateway.
    ///
    /// # Errors
    ///
    /// If the body fails or is not text.
    pub(super) async fn from_response(response: Response) -> Result<Self, Error> {
        let (parts, body) = response.into_parts();
        let headers = parts.headers.iter();
        Ok(Self {
            status_code: parts.status.as_u16(),
            headers: headers
                .map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())))
                .collect::<Result<_, Error>>()?,
            body: String::from_utf8(to_bytes(body, usize::MAX).await?.into())?,
            is_base64_encoded: false,
            cookies: [],
        })
    }
}

#[cfg(test)]
mod tests;
