//! Every error response: one enum, one row per error (docs/CONTRACT.md §5).
//!
//! Every body has a non-empty `code` and no key `error`. A 5xx does not reveal its cause.

mod from;

use super::wire::Answer;
use crate::domain::guard::Refusal;
use crate::domain::id::ChallengeId;
use crate::domain::phone::Phone;
use crate::domain::sms_budget::OverBudget;
use crate::domain::time::Timestamp;
use crate::sms::SmsError;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use std::sync::Arc;

/// The `Retry-After` header of a 503, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

/// An error response.
#[derive(Debug)]
pub enum Error {
    /// The API key is missing or unknown.
    Unauthorized,
    /// The API key's scope does not cover the route.
    Forbidden,
    /// The request comes from a web page of another origin, or was sent to another host. Local server only.
    ForeignOrigin,
    /// The path does not exist.
    NoRoute,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The request cannot be parsed.
    MalformedRequest,
    /// The body is larger than [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES).
    BodyTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The body is not a JSON object.
    MalformedJson,
    /// Fields of the body or the query are missing or invalid.
    Invalid(Vec<Violation>),
    /// The entity does not exist in this environment.
    NotFound {
        /// The type of the entity.
        what: Entity,
        /// The ID as sent by the client.
        id: String,
    },
    /// The text, as sent by the client, is not a valid phone number.
    InvalidPhone(String),
    /// Text messages to this phone number are not supported or not allowed.
    PhoneNotSupported,
    /// The owner of the number has opted out of text messages.
    PhoneOptedOut,
    /// The message would exceed a limit. Carries the time of the next allowed message.
    SmsLimit(OverBudget),
    /// The guess was refused without checking the code, or the factor accepts no challenge for now. Carries the time of
    /// the next attempt.
    TooManyAttempts(Option<Timestamp>),
    /// The challenge has expired.
    Expired(ChallengeId),
    /// The challenge was verified before.
    Verified(ChallengeId),
    /// Another service failed, or there are too many concurrent requests. A retry may succeed.
    Unavailable(Cause),
    /// Internal error. A retry will not succeed.
    Internal(Cause),
    /// The code panicked.
    Panic,
}

/// The cause of a 5xx, for the log only. Passed to the middleware in the response's extensions.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The field.
    pub field: &'static str,
    /// The rule that it breaks.
    pub code: String,
}

/// Types of entities that may not be found. Displays as the name in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum Entity {
    /// A factor.
    #[strum(to_string = "Authentication Factor")]
    Factor,
    /// A challenge.
    #[strum(to_string = "Authentication Challenge")]
    Challenge,
    /// A user.
    User,
    /// A user's recovery codes.
    #[strum(to_string = "Recovery Codes")]
    RecoveryCodes,
}

/// The JSON body of an error.
#[derive(Serialize)]
struct Body {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<String>,
}

impl Error {
    /// The entity does not exist or belongs to another environment. The client cannot distinguish the two.
    pub(super) fn not_found(what: Entity, id: &str) -> Self {
        Self::NotFound { what, id: id.to_owned() }
    }

    /// An internal error, with its cause for the log.
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Cause(Arc::new(cause)))
    }

    /// The error for a refused guess.
    pub(super) fn refused(challenge: ChallengeId, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Expired => Self::Expired(challenge),
            Refusal::Verified => Self::Verified(challenge),
            Refusal::Exhausted => Self::TooManyAttempts(None),
            Refusal::Locked(locked) => locked.into(),
        }
    }

    /// Every write met a version conflict.
    pub(super) fn busy() -> Self {
        #[derive(Debug, thiserror::Error)]
        #[error("every write met a version conflict")]
        struct Busy;
        Self::Unavailable(Cause(Arc::new(Busy)))
    }

    /// The recovery codes were replaced while one of them was verified.
    pub(super) fn replaced() -> Self {
        #[derive(Debug, thiserror::Error)]
        #[error("the recovery codes were replaced at the same time")]
        struct Replaced;
        Self::Unavailable(Cause(Arc::new(Replaced)))
    }

    /// An earlier attempt of the same request may be sending the message right now.
    pub(super) fn outcome_pending() -> Self {
        #[derive(Debug, thiserror::Error)]
        #[error("an earlier attempt of the same request may be sending the message")]
        struct OutcomePending;
        Self::Unavailable(Cause(Arc::new(OutcomePending)))
    }

    /// The error for a message that was not sent.
    pub(super) fn not_sent(error: SmsError, phone: &Phone) -> Self {
        match error {
            SmsError::InvalidNumber => Self::InvalidPhone(phone.as_str().to_owned()),
            SmsError::OptedOut => Self::PhoneOptedOut,
            SmsError::NotSent { .. } | SmsError::Unknown { .. } => Self::Unavailable(Cause(Arc::new(error))),
        }
    }

    /// Status, code and message: one row per error (docs/CONTRACT.md §5).
    #[rustfmt::skip]
    fn row(&self) -> (StatusCode, &'static str, String) {
        const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
        const INTERNAL: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
        let row = |status, code, message: &str| (status, code, message.to_owned());
        match self {
            Self::Unauthorized => row(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::Forbidden => row(StatusCode::FORBIDDEN, "forbidden", "The API key's scope does not cover this."),
            Self::ForeignOrigin => row(StatusCode::FORBIDDEN, "forbidden", "The request's Host or Origin is not one of this server's own."),
            Self::NoRoute => row(StatusCode::NOT_FOUND, "route_not_found", "Not Found"),
            Self::MethodNotAllowed => row(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed"),
            Self::MalformedRequest => row(StatusCode::BAD_REQUEST, "malformed_request", "The request cannot be read."),
            Self::BodyTooLarge => row(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", "The request body is larger than 16 KiB."),
            Self::UnsupportedMediaType => row(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The request body must be application/json."),
            Self::MalformedJson => row(StatusCode::BAD_REQUEST, "malformed_json", "The request body must be a JSON object."),
            Self::Invalid(_) => row(UNPROCESSABLE, "invalid_request_parameters", "Validation failed"),
            Self::NotFound { what, id } => row(StatusCode::NOT_FOUND, "entity_not_found", &format!("{what} not found: '{id}'.")),
            Self::InvalidPhone(text) => row(UNPROCESSABLE, "invalid_phone_number", &format!("Phone number is invalid: '{text}'")),
            Self::PhoneNotSupported => row(UNPROCESSABLE, "phone_number_not_supported", "Text messages to this phone number are not supported."),
            Self::PhoneOptedOut => row(UNPROCESSABLE, "phone_number_opted_out", "The phone number has opted out of text messages."),
            Self::SmsLimit(over) => row(UNPROCESSABLE, "sms_send_limit_exceeded", &format!("Too many text messages. Try again after {}.", over.retry_at)),
            Self::TooManyAttempts(None) => row(StatusCode::BAD_REQUEST, "one_time_code_too_many_attempts", "Too many attempts."),
            Self::TooManyAttempts(Some(retry_at)) => row(StatusCode::BAD_REQUEST, "one_time_code_too_many_attempts", &format!("Too many attempts. Try again after {retry_at}.")),
            Self::Expired(id) => row(UNPROCESSABLE, "authentication_challenge_expired", &format!("The authentication challenge '{id}' has expired.")),
            Self::Verified(id) => row(UNPROCESSABLE, "authentication_challenge_previously_verified", &format!("The authentication challenge '{id}' has already been verified.")),
            Self::Unavailable(_) => row(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "The service is temporarily unavailable."),
            Self::Internal(_) | Self::Panic => row(INTERNAL, "internal_server_error", "An internal error occurred."),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code, message) = self.row();
        let mut body = Body { code, message, errors: Vec::new(), entity_id: None, retry_at: None };
        let mut cause = None;
        match self {
            Self::Invalid(violations) => body.errors = violations,
            Self::NotFound { id, .. } => body.entity_id = Some(id),
            Self::SmsLimit(over) => body.retry_at = Some(over.retry_at.to_string()),
            Self::TooManyAttempts(retry_at) => body.retry_at = retry_at.map(|time| time.to_string()),
            Self::Unavailable(source) | Self::Internal(source) => cause = Some(source),
            _ => {}
        }
        let mut response = Answer(status, body).into_response();
        response.extensions_mut().insert(super::trace::ErrorCode(code));
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}
