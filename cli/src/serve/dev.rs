//! What tests of applications need and no deployment has: the outbox to read, the clock to move.

use super::ServeError;
use super::data_dir::keep;
use super::faults::Faults;
use super::sns::{self, Message, Outbox};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::domain::time::Timestamp;
use shared::ports::{Clock, SystemClock};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

/// How far the clock may be moved in all: a hundred years.
const FARTHEST_SECONDS: i64 = 100 * 365 * 24 * 60 * 60;

/// The machine's clock, moved. Kept in a file: time does not jump back at a restart.
#[derive(Clone)]
pub struct LocalClock {
    moved_seconds: Arc<AtomicI64>,
    stopped_at: Arc<OnceLock<Timestamp>>,
    file: Option<PathBuf>,
}

impl LocalClock {
    pub(super) fn open(file: Option<PathBuf>) -> Result<Self, ServeError> {
        let kept = match &file {
            Some(path) if path.exists() => fs::read_to_string(path)
                .and_then(|text| text.trim().parse().map_err(std::io::Error::other))
                .map_err(|source| ServeError::Data { path: path.clone(), source })?,
            _ => 0,
        };
        Ok(Self { moved_seconds: Arc::new(AtomicI64::new(kept)), stopped_at: Arc::default(), file })
    }

    /// Stops it until this process ends: from now on it goes only where it is moved, however slow the machine is.
    pub fn stop(&self) {
        self.stopped_at.get_or_init(|| SystemClock.now());
    }

    /// Moves the clock; back, too, by less than nothing.
    ///
    /// # Errors
    ///
    /// [`ServeError::Data`] if the move cannot be kept.
    pub fn advance(&self, seconds: i64) -> Result<(), ServeError> {
        let moved = self.moved_seconds.load(Ordering::SeqCst).saturating_add(seconds);
        let moved = moved.clamp(FARTHEST_SECONDS.saturating_neg(), FARTHEST_SECONDS);
        if let Some(file) = &self.file {
            keep(file, moved.to_string().as_bytes())?;
        }
        self.moved_seconds.store(moved, Ordering::SeqCst);
        Ok(())
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        let moved_millis = self.moved_seconds.load(Ordering::SeqCst).saturating_mul(1_000);
        let now = self.stopped_at.get().copied().unwrap_or_else(|| SystemClock.now());
        Timestamp::from_millis(now.millis().saturating_add(moved_millis)).unwrap_or(now)
    }
}

/// What the clock shows.
#[derive(Serialize)]
struct Now {
    now: String,
}

/// How far to move the clock.
#[derive(Deserialize)]
struct Advance {
    advance_seconds: i64,
}

/// Which share of the calls fails from now on, and which of them.
#[derive(Deserialize)]
struct Share {
    share: f64,
    #[serde(default)]
    seed: u64,
}

/// `/_dev/sms`, `/_dev/clock` and the outbox's own SNS endpoint; `/_dev/faults` on a server that was started with faults.
pub(super) fn router(outbox: Outbox, clock: LocalClock, faults: Option<Faults>) -> Router {
    let sms = Router::new().route("/_dev/sms", get(messages).delete(clear)).with_state(outbox.clone());
    let time = Router::new().route("/_dev/clock", get(now).post(advance)).with_state(clock);
    let router = sms.merge(time).merge(sns::router(outbox));
    match faults {
        Some(faults) => router.merge(fault_router(faults)),
        None => router,
    }
}

/// `/_dev/faults`: how many calls have failed in which way, and which share of them shall.
pub fn fault_router(faults: Faults) -> Router {
    Router::new().route("/_dev/faults", get(injected).post(inject)).with_state(faults)
}

async fn injected(State(faults): State<Faults>) -> Json<BTreeMap<String, u64>> {
    let injected = faults.injected().into_iter();
    Json(injected.map(|(fault, count)| (format!("{fault:?}"), count)).collect())
}

async fn inject(State(faults): State<Faults>, Json(Share { share, seed }): Json<Share>) -> StatusCode {
    faults.plan_random(share, seed);
    StatusCode::NO_CONTENT
}

async fn messages(State(outbox): State<Outbox>) -> Json<Vec<Message>> {
    Json(outbox.messages())
}

async fn clear(State(outbox): State<Outbox>) -> StatusCode {
    outbox.clear().map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::NO_CONTENT)
}

async fn now(State(clock): State<LocalClock>) -> Json<Now> {
    Json(Now { now: clock.now().to_string() })
}

async fn advance(State(clock): State<LocalClock>, Json(by): Json<Advance>) -> Result<Json<Now>, StatusCode> {
    clock.advance(by.advance_seconds).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(now(State(clock)).await)
}
