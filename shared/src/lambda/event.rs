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
use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use lambda_runtime::Error;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

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

/// What is read of an event. A `Value` would copy every field of it, most of which nothing reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    request_context: Context<'a>,
    #[serde(borrow)]
    raw_path: Cow<'a, str>,
    #[serde(borrow, default)]
    raw_query_string: Option<Cow<'a, str>>,
    #[serde(default)]
    headers: Option<Headers>,
    #[serde(borrow, default)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    #[serde(borrow)]
    http: Http<'a>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Http<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
}

/// The headers, without those that are invalid in HTTP.
struct Headers(HeaderMap);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadersVisitor)
    }
}

struct HeadersVisitor;

/// The name of a header. Copied only if it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value of a header, which is a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut texts: A) -> Result<Headers, A::Error> {
        let mut headers = HeaderMap::new();
        while let Some((Name(name), value)) = texts.next_entry()? {
            let Content::Text(value) = value else { continue };
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                headers.try_append(name, value).map_err(A::Error::custom)?;
            }
        }
        Ok(Headers(headers))
    }
}

/// Converts an event to a request.
pub(super) fn request(event: &str) -> Result<Request, MalformedEvent> {
    let event: Event<'_> = serde_json::from_str(event).map_err(|_| MalformedEvent)?;
    let mut request = Request::new(Body::from(body(&event)?));
    *request.method_mut() = event.request_context.http.method.parse().map_err(|_| MalformedEvent)?;
    *request.uri_mut() = uri(&event)?;
    if let Some(id) = event.request_context.request_id.as_deref().and_then(GatewayRequestId::parse) {
        request.extensions_mut().insert(id);
    }
    *request.headers_mut() = event.headers.map(|Headers(headers)| headers).unwrap_or_default();
    Ok(request)
}

/// The path and the query. API Gateway sends the path percent-decoded, and the router decodes it again. Encoding it in
/// between keeps the user ID `a%41` from being decoded twice to `aA`.
fn uri(event: &Event<'_>) -> Result<Uri, MalformedEvent> {
    if !event.raw_path.starts_with('/') {
        return Err(MalformedEvent);
    }
    let mut uri = utf8_percent_encode(&event.raw_path, PATH).to_string();
    let query = event.raw_query_string.as_deref().unwrap_or_default();
    if !query.is_empty() {
        uri.push('?');
        uri.extend(utf8_percent_encode(query, QUERY));
    }
    uri.parse().map_err(|_| MalformedEvent)
}

fn body(event: &Event<'_>) -> Result<Vec<u8>, MalformedEvent> {
    match event.body.as_deref().unwrap_or_default() {
        text if event.is_base64_encoded => STANDARD.decode(text).map_err(|_| MalformedEvent),
        text => Ok(text.as_bytes().to_vec()),
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
