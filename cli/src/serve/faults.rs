//! Fault injection: which of the server's calls to its table, keys and outbox fail, and how.
//!
//! The faults are those of calls to AWS. A failed condition is not a fault: it is a regular response that only the
//! table can give.

mod inject;
pub mod proxy;

pub(super) use inject::Service;

use axum::body::Bytes;
use http::HeaderValue;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The call is throttled.
    Throttle,
    /// A 500 response. The call was not executed.
    ServerError,
    /// The connection breaks before the call is executed.
    TimeoutBefore,
    /// The connection breaks after the call was executed.
    TimeoutAfter,
    /// The call conflicts with a transaction on the same item.
    Conflict,
    /// The call is not executed, and the connection stays silent until the caller times out.
    SilenceBefore,
    /// The call is executed, but the connection stays silent until the caller times out.
    SilenceAfter,
}

/// The faults that do not make the caller wait for a timeout.
pub const QUICK: [Fault; 5] =
    [Fault::Throttle, Fault::ServerError, Fault::TimeoutBefore, Fault::TimeoutAfter, Fault::Conflict];

/// Maximum number of recorded calls.
const MAX_RECORDED_CALLS: usize = 256;

/// A call to a service, including its retries.
#[derive(Clone)]
pub struct Call {
    /// The index of the call since the plan was set, from 0.
    pub number: usize,
    /// `GetItem`, `UpdateItem`, `Publish`, …
    pub operation: String,
    /// The request body.
    pub body: Bytes,
    /// Number of tries.
    pub tries: usize,
    /// The fault of the last try.
    pub fault: Option<Fault>,
    id: Option<HeaderValue>,
}

/// A fault plan, and the calls since it was set. Cheap to clone; clones share the plan.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<State>>);

type Plan = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

struct State {
    plan: Plan,
    /// The share of a random plan.
    share: Option<f64>,
    started: usize,
    calls: VecDeque<Call>,
    injected: BTreeMap<Fault, u64>,
}

impl State {
    fn new(plan: Plan, share: Option<f64>) -> Self {
        Self { plan, share, started: 0, calls: VecDeque::new(), injected: BTreeMap::new() }
    }
}

impl Call {
    /// Whether the call can fail with this fault: only writes can conflict.
    #[must_use]
    pub fn can_fail_with(&self, fault: Fault) -> bool {
        fault != Fault::Conflict || self.is_write()
    }

    fn is_write(&self) -> bool {
        ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"].contains(&self.operation.as_str())
    }
}

impl Faults {
    /// No faults, until another plan is set.
    #[must_use]
    pub fn none() -> Self {
        Self::planned(|_| None)
    }

    /// Faults as returned by `plan`, which is called for every try.
    pub fn planned(plan: impl FnMut(&Call) -> Option<Fault> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(State::new(Box::new(plan), None))))
    }

    /// No faults, and calls are not recorded, until another plan is set.
    #[must_use]
    pub fn off() -> Self {
        Self::random(0.0, 0)
    }

    /// Fails a random fraction `share` of the calls, from 0 to 1, including their retries. The same seed fails the same
    /// calls of a sequence.
    #[must_use]
    pub fn random(share: f64, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State::new(Box::new(random(share, seed)), Some(share)))))
    }

    /// Sets a random plan as in [`random`](Self::random), and clears the recorded calls.
    pub fn plan_random(&self, share: f64, seed: u64) {
        *self.lock() = State::new(Box::new(random(share, seed)), Some(share));
    }

    /// The share of the calls that a random plan fails; `None` if the plan is another one.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.lock().share
    }

    /// Whether the plan fails no call at all.
    pub(super) fn are_off(&self) -> bool {
        self.share().is_some_and(|share| share <= 0.0)
    }

    /// The number of injected faults since the plan was set, by fault.
    #[must_use]
    pub fn injected(&self) -> BTreeMap<Fault, u64> {
        self.lock().injected.clone()
    }

    /// Sets another plan and clears the recorded calls.
    pub fn plan(&self, plan: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        *self.lock() = State::new(Box::new(plan), None);
    }

    /// The latest calls since the plan was set, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().cloned().collect()
    }

    /// Records a try and chooses its fault. Returns its call. All tries of a call have the same SDK invocation ID.
    fn record_try(&self, id: Option<&HeaderValue>, operation: impl FnOnce() -> String, body: &Bytes) -> Call {
        let State { plan, started, calls, injected, .. } = &mut *self.lock();
        let tried = calls.iter().position(|call| id.is_some() && call.id.as_ref() == id);
        let mut call = tried.and_then(|at| calls.remove(at)).unwrap_or_else(|| {
            let number = *started;
            *started = started.saturating_add(1);
            let (operation, body, id) = (operation(), body.clone(), id.cloned());
            Call { number, operation, body, tries: 0, fault: None, id }
        });
        call.tries = call.tries.saturating_add(1);
        call.fault = plan(&call).filter(|fault| call.can_fail_with(*fault));
        if let Some(fault) = call.fault {
            let count = injected.entry(fault).or_default();
            *count = count.saturating_add(1);
        }
        if calls.len() >= MAX_RECORDED_CALLS {
            calls.pop_front();
        }
        calls.insert(calls.partition_point(|other| other.number < call.number), call.clone());
        call
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random(share: f64, seed: u64) -> impl FnMut(&Call) -> Option<Fault> + Send + 'static {
    let mut rng = StdRng::seed_from_u64(seed);
    move |call| {
        if call.tries > 1 {
            return call.fault;
        }
        let kinds = QUICK.into_iter().filter(|fault| call.can_fail_with(*fault));
        (rng.random::<f64>() < share).then(|| kinds.choose(&mut rng)).flatten()
    }
}
