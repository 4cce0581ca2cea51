//! A function as callers of Lambda see it: a queue of invocations and what becomes of them.

use crate::template::Function;
use axum::body::Bytes;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long an HTTP API waits for a function.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(30);

/// An event on its way to an instance.
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) event: String,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

/// What became of an invocation.
pub(crate) enum Outcome {
    /// The function answered.
    Answered(Bytes),
    /// It reported an error, ended, or ran out of time: for the gateway all the same.
    Failed,
    /// No instance took it in time.
    Unavailable,
}

/// What happened to a function so far.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) overdue: u64,
    pub(crate) unavailable: u64,
    /// Instances started.
    pub(crate) instances: u64,
    /// Those that have asked for their first event.
    pub(crate) ready: u64,
    /// Requests that were their instance's first.
    pub(crate) cold: u64,
    /// The most memory an instance has held.
    pub(crate) peak_kb: u64,
}

/// A deployed function.
pub(crate) struct Lambda {
    pub(crate) function: Function,
    queue: mpsc::UnboundedSender<Invocation>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    counts: Mutex<Counts>,
}

impl Lambda {
    pub(crate) fn new(function: Function) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        Self { function, queue, waiting: tokio::sync::Mutex::new(waiting), counts: Mutex::default() }
    }

    /// Has an instance answer an event.
    pub(crate) async fn invoke(&self, request_id: String, trace_id: String, event: String) -> Outcome {
        self.counts().requests += 1;
        let (reply, answer) = oneshot::channel();
        let invocation = Invocation { request_id, trace_id, event, reply };
        let outcome = match self.queue.send(invocation) {
            Ok(()) => tokio::time::timeout(GATEWAY_PATIENCE, answer).await,
            Err(_) => return Outcome::Unavailable,
        };
        let outcome = outcome.map_or(Outcome::Unavailable, |reply| reply.unwrap_or(Outcome::Failed));
        match outcome {
            Outcome::Answered(_) => {}
            Outcome::Failed => self.counts().failed += 1,
            Outcome::Unavailable => self.counts().unavailable += 1,
        }
        outcome
    }

    /// The next event somebody still waits for.
    pub(crate) async fn next(&self) -> Option<Invocation> {
        let mut waiting = self.waiting.lock().await;
        loop {
            let invocation = waiting.recv().await?;
            if !invocation.reply.is_closed() {
                return Some(invocation);
            }
        }
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
