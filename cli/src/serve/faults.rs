//! Faults: which of the server's calls to its own table and outbox fail, and how.
//!
//! They fail as calls to AWS do. A refused condition is not among the faults: that is an answer, and only the table can
//! give it.

pub mod proxy;

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
    /// Refused: too many calls, for now.
    Throttle,
    /// A 500, and nothing was done.
    ServerError,
    /// The connection breaks before the call arrives.
    TimeoutBefore,
    /// The connection breaks after the call was carried out.
    TimeoutAfter,
    /// Another transaction holds what the call writes.
    Conflict,
    /// The call never arrives, and its connection stays silent until the caller gives up.
    SilenceBefore,
    /// The call is carried out, and its connection stays silent until the caller gives up.
    SilenceAfter,
}

/// The faults that cost the caller no time.
pub const QUICK: [Fault; 5] =
    [Fault::Throttle, Fault::ServerError, Fault::TimeoutBefore, Fault::TimeoutAfter, Fault::Conflict];

/// Calls remembered at a time.
const REMEMBERED: usize = 256;

/// A call to the table or to SNS, however often it was tried.
#[derive(Clone)]
pub struct Call {
    /// Its place among the calls since the plan was made, from 0.
    pub number: usize,
    /// `GetItem`, `UpdateItem`, `Publish`, …
    pub operation: String,
    /// What was sent.
    pub body: Bytes,
    /// How often it was tried.
    pub tries: usize,
    /// What happened to its last try.
    pub fault: Option<Fault>,
    id: Option<HeaderValue>,
}

/// The plan, and the calls since it was made. Cheap to clone; a clone is the same plan.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<State>>);

type Plan = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

struct State {
    plan: Plan,
    begun: usize,
    calls: VecDeque<Call>,
    injected: BTreeMap<Fault, u64>,
}

impl State {
    fn new(plan: Plan) -> Self {
        Self { plan, begun: 0, calls: VecDeque::new(), injected: BTreeMap::new() }
    }
}

impl Call {
    /// Whether a call of this kind can fail this way: only writes conflict.
    #[must_use]
    pub fn can_suffer(&self, fault: Fault) -> bool {
        fault != Fault::Conflict || self.writes()
    }

    fn writes(&self) -> bool {
        ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"].contains(&self.operation.as_str())
    }
}

impl Faults {
    /// No faults, until there is another plan.
    #[must_use]
    pub fn none() -> Self {
        Self::planned(|_| None)
    }

    /// Faults decided by `plan`, which is asked before every try.
    pub fn planned(plan: impl FnMut(&Call) -> Option<Fault> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(State::new(Box::new(plan)))))
    }

    /// Fails `share` of the calls, from 0 to 1, with all their tries. The same seed fails the same calls of the same sequence.
    #[must_use]
    pub fn random(share: f64, seed: u64) -> Self {
        Self::planned(random(share, seed))
    }

    /// From now on fails as [`random`](Self::random) ones do, and forgets the calls.
    pub fn plan_random(&self, share: f64, seed: u64) {
        self.plan(random(share, seed));
    }

    /// How many calls have met each fault since the plan was made.
    #[must_use]
    pub fn injected(&self) -> BTreeMap<Fault, u64> {
        self.lock().injected.clone()
    }

    /// Makes another plan and forgets the calls.
    pub fn plan(&self, plan: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        *self.lock() = State::new(Box::new(plan));
    }

    /// The latest calls since the plan was made, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().cloned().collect()
    }

    /// The call a try is of, with what happens to it. Tries of one call share the SDK's invocation id.
    fn next(&self, id: Option<&HeaderValue>, operation: impl FnOnce() -> String, body: &Bytes) -> Call {
        let State { plan, begun, calls, injected } = &mut *self.lock();
        let tried = calls.iter().position(|call| id.is_some() && call.id.as_ref() == id);
        let mut call = tried.and_then(|at| calls.remove(at)).unwrap_or_else(|| {
            let number = *begun;
            *begun = begun.saturating_add(1);
            let (operation, body, id) = (operation(), body.clone(), id.cloned());
            Call { number, operation, body, tries: 0, fault: None, id }
        });
        call.tries = call.tries.saturating_add(1);
        call.fault = plan(&call).filter(|fault| call.can_suffer(*fault));
        if let Some(fault) = call.fault {
            let count = injected.entry(fault).or_default();
            *count = count.saturating_add(1);
        }
        if calls.len() >= REMEMBERED {
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
        let kinds = QUICK.into_iter().filter(|fault| call.can_suffer(*fault));
        (rng.random::<f64>() < share).then(|| kinds.choose(&mut rng)).flatten()
    }
}
