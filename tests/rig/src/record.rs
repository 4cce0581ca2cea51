//! What a function calls, judged by its policies as it calls it; and the messages it sends.

use crate::access;
use crate::iam;
use crate::lambda::Lambda;
use cli::serve::Outbox;
use cli::serve::faults::{Call, Fault};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The calls of one function. Cheap to clone; a clone holds the same.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Calls>>);

/// Calls, counted.
#[derive(Default)]
pub(crate) struct Calls {
    /// By action, what it was about, and the statement that allows it.
    pub(crate) allowed: BTreeMap<(String, &'static str, String), u64>,
    /// What the policies do not let the function do: by action and what it was about, how often and the first time.
    pub(crate) refused: BTreeMap<(String, &'static str), (u64, String)>,
}

/// What looks at every call of a function.
pub(crate) struct Watch {
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) record: Record,
    pub(crate) outbox: Outbox,
}

impl Watch {
    /// Looks at one try of a call.
    pub(crate) fn see(&self, call: &Call) {
        if call.tries == 1 {
            self.judge(call);
        }
        let arrives = matches!(call.fault, None | Some(Fault::TimeoutAfter | Fault::SilenceAfter));
        if call.operation == "Publish" && arrives {
            let _ = self.outbox.publish(&call.body); // It is in memory, so it cannot fail.
        }
    }

    fn judge(&self, call: &Call) {
        let accesses = access::of(call);
        let calls = &mut self.record.calls();
        match accesses {
            Err(unknown) => calls.refuse((call.operation.clone(), ""), unknown.to_string()),
            Ok(accesses) => {
                for access in accesses {
                    let subject = access::subject(&access);
                    match iam::decide(&self.lambda.function.statements, &access) {
                        Ok(statement) => {
                            *calls
                                .allowed
                                .entry((access.action, subject, statement.to_owned()))
                                .or_default() += 1;
                        }
                        Err(why) => calls.refuse((access.action, subject), why),
                    }
                }
            }
        }
    }
}

impl Calls {
    fn refuse(&mut self, what: (String, &'static str), why: String) {
        self.refused.entry(what).or_insert((0, why)).0 += 1;
    }
}

impl Record {
    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
