//! Extractors for bodies, queries and path IDs, which parse them into domain types.
//!
//! SDKs represent an absent field as a missing key, `null` or `""`, and a body without fields as `{}`, `[]`, `null` or
//! an empty body (docs/CONTRACT.md §2). All of these are equivalent. Unknown fields are ignored.

use super::error::{Error, Violation};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::mem::take;

/// Maximum length of an idempotency key in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The fields of a request. They are read one by one, and all violations are reported together.
pub(super) struct Fields {
    values: Map<String, Value>,
    violations: Vec<Violation>,
}

impl Fields {
    /// Reads an optional field. Returns `None` if it is absent or invalid.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = match self.values.get(field) {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) if text.is_empty() => return None,
            Some(Value::String(text)) => text,
            Some(_) => {
                self.violation(field, "must be a string");
                return None;
            }
        };
        parse(text).map_err(|rule| self.violation(field, rule)).ok()
    }

    /// Reads a required field. Returns `None` if it is absent or invalid.
    pub(super) fn required<T, E: Display>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let before = self.violations.len();
        let parsed = self.optional(field, parse);
        if parsed.is_none() && self.violations.len() == before {
            self.violation(field, "must not be empty");
        }
        parsed
    }

    /// Reads a required field as text, without further validation.
    pub(super) fn required_text(&mut self, field: &'static str) -> Option<String> {
        self.required(field, |text| Ok::<_, Infallible>(text.to_owned()))
    }

    /// Reads an optional field that is `true` or `false`; absent is `false`. Returns `None` if it is anything else.
    pub(super) fn flag(&mut self, field: &'static str) -> Option<bool> {
        match self.values.get(field) {
            None | Some(Value::Null) => Some(false),
            Some(Value::Bool(flag)) => Some(*flag),
            Some(_) => {
                self.violation(field, "must be true or false");
                None
            }
        }
    }

    /// The text of a field, if it parses. Unlike [`optional`](Self::optional), does not add a violation.
    pub(super) fn matching<T, E>(&self, field: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.values.get(field).and_then(Value::as_str).and_then(|text| parse(text).ok())
    }

    /// Returns `parsed`, if there are no violations so far.
    pub(super) fn check<T>(&mut self, parsed: Option<T>) -> Result<T, Error> {
        parsed
            .filter(|_| self.violations.is_empty())
            .ok_or_else(|| Error::Invalid(take(&mut self.violations)))
    }

    /// Adds a violation.
    pub(super) fn violation(&mut self, field: &'static str, rule: impl Display) {
        self.violations.push(Violation { field, code: format!("{field} {rule}") });
    }

    fn from_body(body: &[u8], headers: &HeaderMap) -> Result<Self, Error> {
        let empty = || Self { values: Map::new(), violations: Vec::new() };
        if body.trim_ascii().is_empty() {
            return Ok(empty());
        }
        if !is_json(headers) {
            return Err(Error::UnsupportedMediaType);
        }
        match serde_json::from_slice(body).map_err(|_| Error::MalformedJson)? {
            Value::Object(values) => Ok(Self { values, violations: Vec::new() }),
            Value::Null => Ok(empty()),
            Value::Array(items) if items.is_empty() => Ok(empty()),
            _ => Err(Error::MalformedJson),
        }
    }
}

/// The fields of a JSON body.
pub(super) struct Body(pub(super) Fields);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let headers = request.headers().clone();
        let body =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Error::BodyTooLarge,
                _ => Error::MalformedJson,
            })?;
        Fields::from_body(&body, &headers).map(Self)
    }
}

/// The fields of a query string. Refused if it is not UTF-8 after percent-decoding.
pub(super) struct Query(pub(super) Fields);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        if percent_decode_str(parts.uri.query().unwrap_or_default()).decode_utf8().is_err() {
            return Err(Error::MalformedRequest);
        }
        let pairs = axum::extract::Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        let pairs = pairs.map_err(|_| Error::MalformedRequest)?.0;
        let values = pairs.into_iter().map(|(name, text)| (name, Value::String(text))).collect();
        Ok(Self(Fields { values, violations: Vec::new() }))
    }
}

/// The ID in a path, percent-decoded but not validated.
pub(super) struct PathId(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(id) = Path::from_request_parts(parts, state).await.map_err(|_| Error::NoRoute)?;
        Ok(Self(id))
    }
}

/// The `Idempotency-Key` header of a request, if it has one. SDKs send it with every POST, but only an SMS challenge
/// uses it: the response of a verify is never replayed.
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let Some(key) = parts.headers.get(IDEMPOTENCY_KEY).filter(|key| !key.is_empty()) else {
            return Ok(Self(None));
        };
        let key = key.to_str().ok().filter(|key| key.len() <= MAX_IDEMPOTENCY_KEY_BYTES);
        let rule =
            || format!("{IDEMPOTENCY_KEY} must be at most {MAX_IDEMPOTENCY_KEY_BYTES} characters of ASCII");
        let refused = || Error::Invalid(vec![Violation { field: IDEMPOTENCY_KEY, code: rule() }]);
        Ok(Self(Some(key.ok_or_else(refused)?.to_owned())))
    }
}

/// `application/json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
