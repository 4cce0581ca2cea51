//! The HTTP API before the functions.

use crate::Failure;
use crate::event::{self, Seen};
use crate::lambda::{Lambda, Outcome};
use crate::route::{self, Route};
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use cli::serve::LocalClock;
use http::{HeaderValue, StatusCode};
use serde_json::json;
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Builder;

/// The largest body an HTTP API takes.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// The API.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) routes: Arc<Vec<Route>>,
    /// By name.
    pub(crate) functions: BTreeMap<String, Arc<Lambda>>,
    pub(crate) clock: LocalClock,
}

impl Gateway {
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }

    async fn pass(&self, from: SocketAddr, request: Request) -> Result<Response, Failure> {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
            return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long"));
        };
        let Some(found) = route::find(&self.routes, parts.method.as_str(), parts.uri.path()) else {
            return Ok(refusal(StatusCode::NOT_FOUND, "Not Found"));
        };
        let lambda = self.functions.get(&found.route.function).ok_or("a route to no function")?;
        let at = jiff::Timestamp::from_millisecond(self.clock.now().millis())?;
        let [request_id, trace] = [random_id()?, random_id()?];
        let trace_id =
            format!("Root=1-{:08x}-{}", at.as_second(), trace.simple().to_string().get(..24).ok_or("short")?);
        let seen = Seen {
            request_id: request_id.simple().to_string(),
            trace_id: trace_id.clone(),
            source_ip: from.ip().to_string(),
            at,
        };
        let event = event::of(&parts, &body, &found, &seen).to_string();
        let mut response = match lambda.invoke(request_id.to_string(), trace_id, event).await {
            Outcome::Answered(answered) => event::answer(&answered)?,
            Outcome::Failed => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Outcome::Unavailable => refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        };
        response.headers_mut().insert("apigw-requestid", HeaderValue::from_str(&seen.request_id)?);
        Ok(response)
    }
}

async fn answer(
    State(gateway): State<Gateway>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let answered = gateway.pass(from, request).await;
    answered.unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
}

/// The gateway's own words.
fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

fn random_id() -> Result<uuid::Uuid, Failure> {
    let mut bytes = [0; 16];
    rand::Rng::fill_bytes(&mut OsEntropy.rng()?, &mut bytes);
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}
