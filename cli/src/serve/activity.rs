//! What happens on the server, as it happens: a feed of answered requests and of changes, which the console shows and the
//! terminal prints.
//!
//! The audit line of a request is written inside `shared`, as a log event. [`LogWriter`] receives it in the task that
//! handles the request, and leaves it where `observe` finds it together with the answer's status.

mod log;
mod text;

pub use log::{LogFormat, LogWriter, log_writer};
pub use text::Printer;

use super::console::PAGES;
use axum::body::{Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use hyper::body::Frame;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Number of audit lines that a new reader gets.
const MAX_RECENT: usize = 500;

/// Number of events that a reader may be behind, beside those it gets at first. One that is further behind is dropped, and
/// connects again.
const MAX_BEHIND: usize = 256;

/// Where the paths of the routes for development begin.
const DEV: &str = "/_dev/";

/// The feed of one server. Cheap to clone; clones are the same feed.
#[derive(Clone, Default)]
pub struct Feed {
    printer: Option<Printer>,
    state: Arc<Mutex<FeedState>>,
}

#[derive(Default)]
struct FeedState {
    recent: VecDeque<Bytes>,
    readers: Vec<mpsc::Sender<Bytes>>,
    closed: bool,
}

/// An answered request.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// The audit line, which is JSON.
    pub(super) line: String,
}

impl Feed {
    /// A feed whose requests `printer` prints, too.
    #[must_use]
    pub fn new(printer: Option<Printer>) -> Self {
        Self { printer, state: Arc::default() }
    }

    /// The recent requests, then everything that happens from now on, as server-sent events.
    pub(super) fn read(&self) -> Events {
        let mut state = self.lock();
        let (sender, receiver) = mpsc::channel(MAX_RECENT.saturating_add(MAX_BEHIND));
        for event in &state.recent {
            // The channel has room for all of them.
            let _ = sender.try_send(event.clone());
        }
        if !state.closed {
            state.readers.push(sender);
        }
        Events(receiver)
    }

    /// Says that something has changed, by the last part of the path under `/_dev` that shows it.
    pub(super) fn changed(&self, what: &str) {
        self.lock().send(&format!("event: changed\ndata: {what}\n\n").into());
    }

    /// Ends every reader, also those to come.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.readers.clear();
    }

    fn answered(&self, answered: &Answered) {
        if let Some(printer) = &self.printer {
            printer.print(answered);
        }
        let Answered { status, line } = answered;
        let data = format!(r#"{{"status":{},"line":{line}}}"#, status.as_u16());
        let event = Bytes::from(format!("event: request\ndata: {data}\n\n"));
        let mut state = self.lock();
        if state.recent.len() >= MAX_RECENT {
            state.recent.pop_front();
        }
        state.recent.push_back(event.clone());
        state.send(&event);
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FeedState {
    /// Sends an event to every reader. One that is too slow, or gone, is dropped: nothing waits for it.
    fn send(&mut self, event: &Bytes) {
        self.readers.retain(|reader| reader.try_send(event.clone()).is_ok());
    }
}

/// Reports each request of the API to the feed, and each change that a request to `/_dev` makes.
pub(super) async fn observe(State(feed): State<Feed>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (response, line) = log::with_audit_line(next.run(request)).await;
    if PAGES.contains(&path.as_str()) || path.starts_with(DEV) {
        if method != Method::GET && response.status().is_success() {
            feed.changed(topic(&path));
        }
    } else if let Some(line) = line {
        feed.answered(&Answered { status: response.status(), line });
    }
    response
}

/// What a request under `/_dev` changes: `clock` of `/_dev/clock`, `factors` of `/_dev/factors/ID/unlock`.
fn topic(path: &str) -> &str {
    path.split('/').nth(2).unwrap_or_default()
}

/// Says that there is another message, after a call to the outbox.
pub(super) async fn announce_message(State(feed): State<Feed>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    feed.changed("sms");
    response
}

/// The body of an endless answer: events, one after the other.
pub(super) struct Events(mpsc::Receiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests;
