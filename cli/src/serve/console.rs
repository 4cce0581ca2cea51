//! The console: a page for the developer on whose machine the server runs, to try the API, read messages, unlock factors,
//! turn the clock and manage API keys.
//!
//! The page is plain HTML, CSS and JavaScript in `console/`, compiled into the binary. Its Content-Security-Policy allows
//! nothing else: no inline script, no other origin, no frame around it.
//!
//! Its routes need no API key, and one of them hands out the server's own. They are protected by the guard of the port
//! (`guard.rs`), as every request: a page of another origin, or one whose name was made to resolve to this machine,
//! neither reaches them nor reads their answers. They exist only on a loopback address, also with `--expose-dev`,
//! because another machine must not get the key.

mod factors;
mod keys;
mod session;

pub(super) use session::ConsoleKey;

use super::LocalClock;
use super::activity::Feed;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use shared::domain::environment::{Registration, Tag};
use shared::http::{Error, Violation};
use shared::operate::Operator;
use shared::store::StoreError;
use shared::vault::kms::Kms;
use std::sync::Arc;

/// The paths of the page.
pub(super) const PAGES: [&str; 3] = ["/", "/_dev", "/_dev/"];

const PAGE: &str = include_str!("console/index.html");

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The files that the page loads: name, type and text.
const FILES: [(&str, &str, &str); 16] = [
    ("activity.js", JS, include_str!("console/activity.js")),
    ("api.js", JS, include_str!("console/api.js")),
    ("clock.js", JS, include_str!("console/clock.js")),
    ("codes.js", JS, include_str!("console/codes.js")),
    ("dom.js", JS, include_str!("console/dom.js")),
    ("factors.js", JS, include_str!("console/factors.js")),
    ("faults.js", JS, include_str!("console/faults.js")),
    ("icon.svg", SVG, include_str!("console/icon.svg")),
    ("keys.js", JS, include_str!("console/keys.js")),
    ("main.js", JS, include_str!("console/main.js")),
    ("messages.js", JS, include_str!("console/messages.js")),
    ("recovery.js", JS, include_str!("console/recovery.js")),
    ("snippets.js", JS, include_str!("console/snippets.js")),
    ("steps.js", JS, include_str!("console/steps.js")),
    ("style.css", CSS, include_str!("console/style.css")),
    ("try.js", JS, include_str!("console/try.js")),
];

/// What the page may load and do: only this server's own files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The headers of the page and its files: also kept out of windows and documents of other origins.
const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What the console's routes need.
#[derive(Clone)]
pub(super) struct Console {
    /// The URL of the API.
    pub(super) url: String,
    /// Access to the table, without injected faults.
    pub(super) operator: Operator,
    /// The root key, without injected faults.
    pub(super) kms: Kms,
    pub(super) clock: LocalClock,
    pub(super) feed: Feed,
    key: Arc<ConsoleKey>,
}

impl Console {
    /// A console with the server's own API key.
    pub(super) fn new(
        url: String,
        operator: Operator,
        services: (Kms, LocalClock, Feed),
        key: ConsoleKey,
    ) -> Self {
        let (kms, clock, feed) = services;
        Self { url, operator, kms, clock, feed, key: Arc::new(key) }
    }

    /// An environment that must exist and must not be being deleted.
    async fn environment(&self, tag: &Tag) -> Result<Registration, Error> {
        let found = self.operator.store.environment(tag).await.map_err(failed)?;
        let found = found.filter(|found| found.deleted_at.is_none());
        found.ok_or_else(|| refused("environment", "does not exist, or is being deleted"))
    }
}

/// The page and its routes.
pub(super) fn router(console: Console) -> Router {
    let pages = PAGES.into_iter().fold(Router::new(), |router, path| router.route(path, get(page)));
    pages
        .route("/_dev/console/{file}", get(file))
        .route("/_dev/events", get(events))
        .route("/_dev/session", get(session::show).post(session::renew))
        .route("/_dev/factors", get(factors::list))
        .route("/_dev/factors/{id}/unlock", post(factors::unlock))
        .route("/_dev/environments", get(keys::list).post(keys::create_environment))
        .route("/_dev/environments/{tag}/api_keys", post(keys::create))
        .route("/_dev/environments/{tag}/api_keys/{id}", delete(keys::revoke))
        .with_state(console)
}

async fn page() -> Response {
    asset("text/html; charset=utf-8", PAGE)
}

async fn file(Path(name): Path<String>) -> Result<Response, Error> {
    let found = FILES.into_iter().find(|(file, ..)| *file == name);
    found.map(|(_, media_type, text)| asset(media_type, text)).ok_or(Error::NoRoute)
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let mut response = ([(CONTENT_TYPE, media_type)], text).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    response
}

async fn events(State(console): State<Console>) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, Body::new(console.feed.read()))
}

/// A request that cannot be carried out, by the field that is to be changed.
fn refused(field: &'static str, reason: &str) -> Error {
    Error::Invalid(vec![Violation { field, code: reason.to_owned() }])
}

/// The table cannot be read or written.
fn failed(error: StoreError) -> Error {
    Error::internal(error)
}
