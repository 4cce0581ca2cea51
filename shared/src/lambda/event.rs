//! Events of an API Gateway HTTP API (payload format 2.0), and the responses to them.
//!
//! Any event becomes a request or [`MalformedEvent`], never a panic. Only the method, path, query, headers and body are
//! read.

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
    Ok(request)
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn event() -> Value {
        json!({
            "rawPath": "/auth/factors",
            "rawQueryString": "",
            "headers": {"authorization": "Bearer k"},
            "requestContext": {"http": {"method": "GET"}},
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut event = event();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    }

    fn uri_of(event: &Value) -> String {
        request(&event.to_string()).unwrap().uri().to_string()
    }

    /// F5
    #[test]
    fn an_event_that_is_invalid_in_http_is_rejected() {
        for event in [
            Value::Null,
            json!([]),
            json!("GET / HTTP/1.1"),
            json!({}),
            with("/requestContext", json!(null)),
            with("/requestContext/http/method", json!("GE T")),
            with("/requestContext/http/method", json!("")),
            with("/rawPath", json!("")),
            with("/rawPath", json!("*")),
            with("/rawPath", json!("example.com/auth/factors")),
            with("/rawPath", json!("/".repeat(70_000))),
        ] {
            assert!(request(&event.to_string()).is_err(), "{event}");
        }
        for text in ["", "{", "\"\\ud800\"", "{\"rawPath\": \"/\\ud800\"}", "1e999", &"[".repeat(10_000)] {
            assert!(request(text).is_err(), "{text}");
        }
    }

    /// F5
    #[test]
    fn a_query_keeps_its_meaning_and_invalid_characters_are_encoded() {
        for (raw, encoded) in [
            ("user_id=a%20b+c&type=totp", "user_id=a%20b+c&type=totp"),
            ("a=\"<> \\^`{|}", "a=%22%3C%3E%20%5C%5E%60%7B%7C%7D"),
            ("a=1#b", "a=1%23b"),
            ("a=\u{0}\n\u{7f}", "a=%00%0A%7F"),
            ("a=ü%", "a=%C3%BC%"),
        ] {
            let event = with("/rawQueryString", json!(raw));
            assert_eq!(uri_of(&event), format!("/auth/factors?{encoded}"));
        }
        assert_eq!(uri_of(&with("/rawQueryString", json!(null))), "/auth/factors");
        assert_eq!(uri_of(&with("/rawPath", json!("//evil.example/a b"))), "//evil.example/a%20b");
    }

    /// F5
    #[test]
    fn an_invalid_header_is_omitted() {
        let headers = json!({"a b": "1", "": "2", "x": "1\r\ny: 2", "z": 3, "host": "a b", "ok": "ü"});
        let request = request(&with("/headers", headers).to_string()).unwrap();
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["host", "ok"]);
    }

    #[test]
    fn a_body_is_text_base64_or_absent() {
        let event = |body: Value, encoded: bool| json!({"body": body, "isBase64Encoded": encoded});
        assert_eq!(body(&event(json!(null), true)), Ok(Vec::new()));
        assert_eq!(body(&json!({})), Ok(Vec::new()));
        assert_eq!(body(&event(json!("e30="), false)), Ok(b"e30=".to_vec()));
        assert_eq!(body(&event(json!("e30="), true)), Ok(b"{}".to_vec()));
        assert_eq!(body(&event(json!("/w=="), true)), Ok(vec![0xff]));
        assert_eq!(body(&event(json!("!"), true)), Err(MalformedEvent));
        assert_eq!(body(&event(json!({}), false)), Err(MalformedEvent));
    }

    #[test]
    fn an_event_with_too_many_headers_is_rejected() {
        let headers: serde_json::Map<_, _> = (0..40_000).map(|n| (format!("x-{n}"), json!(""))).collect();
        assert!(request(&with("/headers", headers.into()).to_string()).is_err());
    }

    proptest! {
        /// F5
        #[test]
        fn no_event_panics(
            path in any::<String>(),
            query in any::<String>(),
            method in any::<String>(),
            headers in proptest::collection::hash_map(any::<String>(), any::<String>(), 0..8),
            body in any::<Option<String>>(),
            encoded in any::<bool>(),
        ) {
            let event = json!({
                "rawPath": format!("/{path}"),
                "rawQueryString": query,
                "headers": headers,
                "requestContext": {"http": {"method": method}},
                "body": body,
                "isBase64Encoded": encoded,
            });
            let _ = request(&event.to_string());
            // With a valid method and no body, any event is valid.
            let event = json!({
                "rawPath": format!("/{path}"),
                "rawQueryString": query,
                "headers": headers,
                "requestContext": {"http": {"method": "GET"}},
            });
            let read = request(&event.to_string());
            prop_assert!(read.is_ok());
            let uri = read.unwrap().into_parts().0.uri;
            let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
            prop_assert_eq!(decoded(uri.path()), format!("/{path}").into_bytes());
            prop_assert_eq!(decoded(uri.query().unwrap_or_default()), decoded(&query));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = request(&text);
        }
    }
}
