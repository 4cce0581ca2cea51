//! The `/_dev` endpoints for applications' tests: read the outbox, move the clock, inject faults, and read the API's OpenAPI
//! document. Local server only.

use super::LocalClock;
use super::faults::Faults;
use super::sns::{Message, Outbox};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::http::{Error, Violation};
use shared::ports::Clock as _;
use std::collections::BTreeMap;

/// The API's OpenAPI document.
const OPENAPI: &str = include_str!("../../../docs/openapi.yaml");

/// The time of the server's clock.
#[derive(Serialize)]
struct ClockBody {
    now: String,
    /// How far it is ahead of the machine's clock.
    offset_seconds: i64,
}

/// The request to move the clock.
#[derive(Deserialize)]
struct AdvanceBody {
    advance_seconds: i64,
}

/// The request to inject random faults.
#[derive(Deserialize)]
struct FaultsBody {
    share: f64,
    #[serde(default)]
    seed: u64,
}

/// The plan of the faults.
#[derive(Serialize)]
struct PlanBody {
    /// The share of the calls that fail.
    share: Option<f64>,
}

/// A JSON body. An invalid one is refused with the API's error format.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Error::UnsupportedMediaType),
            Err(JsonRejection::JsonDataError(error)) => {
                Err(Error::Invalid(vec![Violation { field: "body", code: error.body_text() }]))
            }
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Error::BodyTooLarge),
            Err(_) => Err(Error::MalformedJson),
        }
    }
}

/// `/_dev/sms`, `/_dev/clock`, `/_dev/faults` and `/_dev/openapi.yaml`.
pub fn router(outbox: Outbox, clock: LocalClock, faults: Faults) -> Router {
    let sms = Router::new().route("/_dev/sms", get(messages).delete(clear)).with_state(outbox);
    let time = Router::new().route("/_dev/clock", get(now).post(advance)).with_state(clock);
    let faults = Router::new()
        .route("/_dev/faults", get(injected).post(inject))
        .route("/_dev/faults/plan", get(plan))
        .with_state(faults);
    sms.merge(time).merge(faults).route("/_dev/openapi.yaml", get(openapi))
}

/// How many faults were injected since the plan was set, by fault.
async fn injected(State(faults): State<Faults>) -> Json<BTreeMap<String, u64>> {
    let injected = faults.injected().into_iter();
    Json(injected.map(|(fault, count)| (format!("{fault:?}"), count)).collect())
}

async fn inject(
    State(faults): State<Faults>,
    JsonBody(FaultsBody { share, seed }): JsonBody<FaultsBody>,
) -> StatusCode {
    faults.plan_random(share, seed);
    StatusCode::NO_CONTENT
}

async fn plan(State(faults): State<Faults>) -> Json<PlanBody> {
    Json(PlanBody { share: faults.share() })
}

async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/yaml")], OPENAPI)
}

async fn messages(State(outbox): State<Outbox>) -> Result<Json<Vec<Message>>, Error> {
    outbox.messages().map(Json).map_err(Error::internal)
}

async fn clear(State(outbox): State<Outbox>) -> Result<StatusCode, Error> {
    outbox.clear().map_err(Error::internal)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn now(State(clock): State<LocalClock>) -> Json<ClockBody> {
    Json(ClockBody { now: clock.now().to_string(), offset_seconds: clock.offset() })
}

async fn advance(
    State(clock): State<LocalClock>,
    JsonBody(body): JsonBody<AdvanceBody>,
) -> Result<Json<ClockBody>, Error> {
    clock.advance(body.advance_seconds).map_err(Error::internal)?;
    Ok(now(State(clock)).await)
}
