//! Whether a concurrent history could have happened one request after the other.
//!
//! Each client notes when it asked and when it was answered. A history is linearizable if its requests can be put in
//! an order that respects those times and in which the specification gives the very answers that were seen (Wing and
//! Gong 1993, with Lowe's memory of dead ends). A 503 may or may not have happened, then or later.

use crate::proof::spec::{Answer, HOUR, Kind, Means, Request, Spec};
use std::collections::HashSet;

/// A request, its answer, and when they were on the way.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) factor: usize,
    pub(crate) now: i64,
    pub(crate) asked: usize,
    pub(crate) answered: usize,
    pub(crate) request: Request,
    pub(crate) answer: Answer,
}

impl Event {
    /// It is unknown whether it happened.
    pub(crate) fn is_unknown(&self) -> bool {
        self.answer.status == 503
    }

    /// The last moment it may have happened at.
    fn over(&self) -> usize {
        if self.is_unknown() { usize::MAX } else { self.answered }
    }

    /// The other requests of `history` that were on their way at the same time.
    fn at_once<'a>(&'a self, history: &'a [Self]) -> impl Iterator<Item = &'a Self> {
        history.iter().filter(|event| {
            event.asked != self.asked && event.asked < self.answered && self.asked < event.over()
        })
    }

    /// Whether the answer is the promised one, or one of the two that a delete at the same time excuses.
    fn agrees(&self, promised: &Answer, history: &[Self], lossy: bool) -> bool {
        let deletes = |event: &Self| matches!(event.request, Request::Delete { .. } | Request::Revoke { .. });
        let excuse = match (&self.request, self.answer.status, promised.status) {
            // Deleting twice at once is deleting once: both may be answered 204.
            (Request::Delete { .. } | Request::Revoke { .. }, 204, 404) => true,
            // A counted guess whose response was lost is searched for in the factor; a deleted factor has no record of it.
            (Request::Verify { .. } | Request::Recover { .. }, 404, 201) => lossy,
            _ => false,
        };
        let counted_later = lossy && self.is_promised_but_for_a_later_count(promised, history);
        self.is_unknown()
            || self.answer == *promised
            || counted_later
            || excuse && self.at_once(history).any(deletes)
    }

    /// A guess at a recovery code whose response was lost is found in the set as it is by then, where requests at the same
    /// moment may have used more codes.
    fn is_promised_but_for_a_later_count(&self, promised: &Answer, history: &[Self]) -> bool {
        let earlier = Answer { remaining: promised.remaining, ..self.answer.clone() };
        let (Some(counted), Some(then)) = (self.answer.remaining, promised.remaining) else { return false };
        let may_use_one = |event: &&Self| {
            matches!(event.request, Request::Recover { .. }) && event.answer.valid != Some(false)
        };
        let used: u64 = self.at_once(history).filter(may_use_one).map(|_| 1).sum();
        matches!(self.request, Request::Recover { .. })
            && (then.saturating_sub(used)..then).contains(&counted)
            && earlier == *promised
    }
}

/// Whether the history of one factor could have happened one request after the other; `lossy` if writes were lost.
pub(crate) fn is_linearizable(history: &[Event], lossy: bool) -> bool {
    assert!(history.len() <= 128, "one bit a request");
    search(history, lossy, 0, &Spec::default(), &mut HashSet::new())
}

/// Whether what is not `done` can follow on `spec`. `dead` holds from where it cannot.
fn search(history: &[Event], lossy: bool, done: u128, spec: &Spec, dead: &mut HashSet<(u128, Spec)>) -> bool {
    let left = || (0..history.len()).filter(|at| done & (1 << at) == 0).map(|at| (at, &history[at]));
    if left().all(|(_, event)| event.is_unknown()) {
        return true;
    }
    if !dead.insert((done, spec.clone())) {
        return false;
    }
    // A request that began after another was answered comes after it.
    let first_over = left().map(|(_, event)| event.over()).min().unwrap();
    left().filter(|(_, event)| event.asked < first_over).any(|(at, event)| {
        let mut next = spec.clone();
        let promised = next.answer(event.now, &event.request);
        event.agrees(&promised, history, lossy) && search(history, lossy, done | (1 << at), &next, dead)
    })
}

/// A history to read: one line per request.
pub(crate) fn listing(history: &[Event]) -> String {
    let line = |Event { now, asked, answered, request, answer, .. }: &Event| {
        format!("{asked:3}-{answered:3} at {now} {request:?} -> {answer:?}\n")
    };
    history.iter().map(line).collect()
}

/// A history written by hand: when it was asked, when answered, the request, the answer's status and verdict.
fn by_hand(events: &[(usize, usize, &Request, u16, Option<bool>)], lossy: bool) -> bool {
    let event = |&(asked, answered, request, status, valid): &(usize, usize, &Request, u16, Option<bool>)| {
        let code = match status {
            422 => "authentication_challenge_previously_verified",
            404 => "entity_not_found",
            _ => "",
        };
        let answer = Answer { status, code: code.to_owned(), valid, retry_at: None, remaining: None };
        Event { factor: 0, now: HOUR, asked, answered, request: request.clone(), answer }
    };
    is_linearizable(&events.iter().map(event).collect::<Vec<_>>(), lossy)
}

#[test]
fn the_checker_tells_possible_from_impossible() {
    let enroll = (0, 1, &Request::Enroll { factor: 0, kind: Kind::Generic }, 201, None);
    let challenge = (2, 3, &Request::Challenge { factor: 0, challenge: 0 }, 201, None);
    let right = &Request::Verify { challenge: 0, code: "123456".to_owned(), means: Means::Made(true) };
    let delete = &Request::Delete { factor: 0 };
    let one = |asked, answered| (asked, answered, right, 201, Some(true));
    let refused = |asked, answered| (asked, answered, right, 422, None);
    let unknown = |asked, answered| (asked, answered, right, 503, None);
    let check = |rest: &[(usize, usize, &Request, u16, Option<bool>)]| {
        by_hand(&[&[enroll, challenge], rest].concat(), false)
    };
    assert!(check(&[refused(4, 7), one(5, 6)]), "at once, the later asked came first");
    assert!(!check(&[refused(4, 5), one(6, 7)]), "no other guess came first");
    assert!(!check(&[one(4, 7), one(5, 6)]), "accepted twice");
    assert!(check(&[unknown(4, 5), one(6, 7)]), "unknown, and never happened");
    assert!(check(&[unknown(4, 5), refused(6, 7)]), "unknown, and happened");
    assert!(!check(&[refused(4, 5), unknown(6, 7)]), "not before it was asked");
    assert!(!check(&[(4, 5, delete, 204, None), one(6, 7)]), "accepted after the delete");
    assert!(check(&[(4, 7, delete, 204, None), (5, 6, delete, 204, None)]), "deleted twice at once");
    assert!(!check(&[(4, 5, delete, 204, None), (6, 7, delete, 204, None)]), "deleted twice");
    let died = [(4, 9, right, 404, None), refused(5, 6), (7, 8, delete, 204, None)];
    assert!(!check(&died), "the accepted guess was answered otherwise");
    assert!(
        by_hand(&[&[enroll, challenge], &died[..]].concat(), true),
        "its answer was lost, then its factor"
    );
}

#[test]
fn a_count_may_be_later_than_its_guess_if_writes_are_lost() {
    let answer =
        |valid, remaining| Answer { valid: Some(valid), remaining: Some(remaining), ..Answer::done(201) };
    let request = Request::Recover { user: 0, code: String::new(), means: None };
    let event = |asked, answered, answer| Event {
        factor: 0,
        now: HOUR,
        asked,
        answered,
        request: request.clone(),
        answer,
    };
    let wrong = event(0, 2, answer(false, 8));
    let (meanwhile, afterwards) = ([event(1, 3, answer(true, 8))], [event(3, 4, answer(true, 8))]);
    assert!(wrong.agrees(&answer(false, 8), &[], false));
    assert!(wrong.agrees(&answer(false, 9), &meanwhile, true));
    assert!(!wrong.agrees(&answer(false, 9), &meanwhile, false), "no answer was lost");
    assert!(!wrong.agrees(&answer(false, 9), &afterwards, true), "nothing was used meanwhile");
    assert!(!wrong.agrees(&answer(false, 10), &meanwhile, true), "only one was used meanwhile");
    assert!(!wrong.agrees(&answer(false, 7), &meanwhile, true), "earlier than its guess");
    assert!(!wrong.agrees(&answer(true, 9), &meanwhile, true), "another verdict");
}
