//! SUP-08 for text messages: random sequences of requests, faults and waits for one number, each answer compared with what
//! the promises say.
//!
//! The specification shares nothing with `domain::phone_log` but the promises: at most one message per request, a 201 only
//! for what SNS took, and the limits of a number. It counts from the messages that were reserved.

use crate::app::{Answer, App, send};
use crate::proof::spec::{HOUR, MINUTE, SECOND};
use crate::proof::world::{quiet_runtime, report, run_size};
use cli::serve::faults::{Call, Fault, Faults, QUICK};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use reqwest::Method;
use serde_json::json;
use shared::ports::Clock as _;
use std::cell::Cell;

const SEQUENCES: usize = 30;
const DAY: i64 = 24 * HOUR;
/// How long a request can run.
const PENDING: i64 = 20 * SECOND;

#[derive(Debug, Clone)]
enum Op {
    /// Asks for a message with one of two idempotency keys, or with none.
    Ask(Option<usize>, Option<(Point, Fault)>),
    /// Gives the code of the newest message to the newest challenge that was answered.
    Verify,
    Wait(i64),
    /// Until the last refusal said, or a second before.
    WaitUntilTold(i64),
}

/// A call of a request for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// A transaction, counted from 0.
    Write(usize),
    Publish,
}

fn ops() -> impl Strategy<Value = Op> {
    let point = prop_oneof![3 => (0..4_usize).prop_map(Point::Write), 1 => Just(Point::Publish)];
    let fault = (point, select(QUICK.as_slice()));
    let key = prop_oneof![4 => Just(Some(0)), 1 => Just(Some(1)), 1 => Just(None)];
    prop_oneof![
        8 => (key, prop::option::weighted(0.4, fault)).prop_map(|(key, fault)| Op::Ask(key, fault)),
        2 => Just(Op::Verify),
        2 => (0..40_i64).prop_map(|seconds| Op::Wait(seconds * SECOND)),
        1 => (0..30_i64).prop_map(|hours| Op::Wait(hours * HOUR)),
        2 => (0..2_i64).prop_map(Op::WaitUntilTold),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    NotSent,
    MaybeSent,
    Sent,
}

/// The newest message that was reserved.
#[derive(Debug, Clone)]
struct Newest {
    key: Option<usize>,
    known: Known,
    challenge: Option<String>,
    finished: bool,
}

/// What an answer must be.
#[derive(Debug, PartialEq, Eq)]
enum Promise {
    /// 201, a new challenge and one message.
    Sent,
    /// 201, the earlier challenge and no message.
    Repeated,
    /// 503; whether a message left all the same.
    Unavailable { left: bool },
    /// 422 until this moment.
    Refused(i64),
}

#[derive(Debug, Default)]
struct Spec {
    reserved_at: Vec<i64>,
    newest: Option<Newest>,
}

impl Spec {
    /// When the number has room for another message.
    fn room_at(&self, now: i64) -> Option<i64> {
        let within = |span: i64| self.reserved_at.iter().filter(move |at| now < **at + span).count();
        let nth_newest = |n: usize| self.reserved_at.iter().rev().nth(n).copied();
        let doublings = u32::try_from(within(10 * MINUTE).saturating_sub(1)).unwrap();
        let cooled = nth_newest(0).map(|at| at + ((30 * SECOND) << doublings.min(10)).min(10 * MINUTE));
        let five = nth_newest(4).map(|at| at + 10 * MINUTE);
        let ten = nth_newest(9).map(|at| at + DAY);
        cooled.max(five).max(ten).filter(|at| now < *at)
    }

    /// What a request must be answered.
    fn ask(&mut self, now: i64, key: Option<usize>, fault: Option<(Point, Fault)>) -> Promise {
        // A write that was carried out is found again, whether or not its response arrived.
        let mut writes = 0;
        let mut written = || {
            let lost = fault
                .is_some_and(|(point, fault)| point == Point::Write(writes) && fault != Fault::TimeoutAfter);
            writes += 1;
            !lost
        };
        let unavailable = Promise::Unavailable { left: false };
        let is_empty = self.reserved_at.last().is_none_or(|at| at + DAY <= now);
        if !is_empty {
            // The first write is refused, and brings the log. If that answer is lost, the log is not known.
            let arrived = written() && fault != Some((Point::Write(0), Fault::TimeoutAfter));
            if !arrived {
                return unavailable;
            }
        }
        let repeats = key.is_some() && self.newest.as_ref().is_some_and(|newest| newest.key == key);
        if let (Some(room_at), false) = (self.room_at(now), is_empty) {
            let newest = self.newest.as_ref().filter(|_| repeats);
            match newest.map(|newest| newest.known) {
                Some(Known::NotSent) => {
                    if !written() {
                        return unavailable;
                    }
                    *self.reserved_at.last_mut().unwrap() = now;
                    self.newest =
                        Some(Newest { key, known: Known::MaybeSent, challenge: None, finished: false });
                }
                Some(Known::MaybeSent) if now < self.reserved_at.last().unwrap() + PENDING => {
                    return unavailable;
                }
                Some(Known::Sent) if !newest.unwrap().finished => return Promise::Repeated,
                _ => return Promise::Refused(room_at),
            }
        } else {
            if !written() {
                return unavailable;
            }
            self.reserved_at.push(now);
            self.newest = Some(Newest { key, known: Known::NotSent, challenge: None, finished: false });
            if !written() {
                return unavailable;
            }
        }
        let newest = self.newest.as_mut().unwrap();
        newest.known = Known::MaybeSent;
        match fault.filter(|(point, _)| *point == Point::Publish).map(|(_, fault)| fault) {
            Some(Fault::Throttle) => {
                newest.known = if written() { Known::NotSent } else { Known::MaybeSent };
                unavailable
            }
            Some(Fault::TimeoutAfter) => Promise::Unavailable { left: true },
            // SNS has no transactions to conflict with.
            Some(fault) if fault != Fault::Conflict => unavailable,
            _ => {
                if written() {
                    newest.known = Known::Sent;
                }
                Promise::Sent
            }
        }
    }
}

/// A number, its factor and the specification beside them.
struct Play<'a> {
    app: &'a App,
    factor: String,
    spec: Spec,
    retry_at: i64,
    asked: usize,
}

fn fails(fault: Option<(Point, Fault)>) -> impl FnMut(&Call) -> Option<Fault> + Send {
    let mut writes = Vec::new();
    move |call| {
        let point = match call.operation.as_str() {
            "TransactWriteItems" => {
                if !writes.contains(&call.number) {
                    writes.push(call.number);
                }
                Point::Write(writes.iter().position(|number| *number == call.number)?)
            }
            "Publish" => Point::Publish,
            _ => return None,
        };
        fault.filter(|(at, _)| *at == point).map(|(_, fault)| fault)
    }
}

impl Play<'_> {
    fn now(&self) -> i64 {
        self.app.local.clock.now().millis()
    }

    fn wait(&self, millis: i64) {
        self.app.advance(millis / SECOND);
    }

    async fn ask(&mut self, key: Option<usize>, fault: Option<(Point, Fault)>) -> Result<(), TestCaseError> {
        // Transactions that conflict are different calls each time: that is `flt_06`'s to test.
        let fault = fault.filter(|(_, fault)| *fault != Fault::Conflict);
        let promised = self.spec.ask(self.now(), key, fault);
        let before = self.app.local.outbox.messages().unwrap().len();
        self.app.faults().plan(fails(fault));
        let path = format!("/auth/factors/{}/challenge", self.factor);
        let mut request = self.app.authorized(Method::POST, &path).json(&json!({}));
        if let Some(key) = key {
            request = request.header("idempotency-key", format!("key-{key}"));
        }
        let answer = send(request).await;
        self.app.faults().plan(|_| None);
        self.asked += 1;
        let left = self.app.local.outbox.messages().unwrap().len() - before;
        let seen = self.seen(&answer, left)?;
        prop_assert_eq!(
            seen,
            promised,
            "(seen, promised) {} messages, {}\n{:#?}",
            left,
            answer.text,
            self.spec
        );
        if answer.status == 201 {
            self.spec.newest.as_mut().unwrap().challenge = answer.json()["id"].as_str().map(str::to_owned);
        }
        Ok(())
    }

    fn seen(&mut self, answer: &Answer, left: usize) -> Result<Promise, TestCaseError> {
        let body = answer.json();
        Ok(match (answer.status, left) {
            (201, 1) => Promise::Sent,
            (201, 0) => {
                let earlier = self.spec.newest.as_ref().and_then(|newest| newest.challenge.clone());
                prop_assert!(earlier.is_none() || body["id"].as_str() == earlier.as_deref());
                Promise::Repeated
            }
            (503, 0 | 1) => Promise::Unavailable { left: left == 1 },
            (422, 0) => {
                let at: jiff::Timestamp = body["retry_at"].as_str().unwrap().parse().unwrap();
                self.retry_at = at.as_millisecond();
                Promise::Refused(self.retry_at)
            }
            other => return Err(TestCaseError::fail(format!("{other:?}: {}", answer.text))),
        })
    }

    async fn verify(&mut self) -> Result<(), TestCaseError> {
        let Some(newest) = self.spec.newest.as_mut() else { return Ok(()) };
        let Some(challenge) = newest.challenge.clone().filter(|_| !newest.finished) else { return Ok(()) };
        let answer = self.app.verify(&challenge, &self.app.last_code()).await;
        if answer.status == 201 {
            prop_assert_eq!(&answer.json()["valid"], &json!(true), "the code that was sent");
            newest.finished = true;
        } else {
            prop_assert_eq!(&answer.json()["code"], &json!("authentication_challenge_expired"));
        }
        Ok(())
    }
}

async fn play(app: &App, number: usize, sequence: &[Op]) -> Result<usize, TestCaseError> {
    // A range of numbers has a budget, too: each sequence has a range of its own.
    let area = 201 + number % 700;
    app.local.outbox.clear().unwrap();
    app.advance(2 * 24 * 60 * 60);
    let factor = app.enroll_phone(&format!("+1500555{:04}", (area * 13 + number) % 10_000)).await;
    let mut play = Play { app, factor, spec: Spec::default(), retry_at: 0, asked: 0 };
    for op in sequence {
        match op {
            Op::Ask(key, fault) => play.ask(*key, *fault).await?,
            Op::Verify => play.verify().await?,
            Op::Wait(millis) => play.wait(*millis),
            Op::WaitUntilTold(early) => {
                play.wait((play.retry_at - play.now() - early * SECOND).max(0));
            }
        }
    }
    Ok(play.asked)
}

#[test]
fn sup_08_flt_11_sms_03_every_answer_about_a_message_is_the_specifications() {
    let (wanted, seed) = run_size(SEQUENCES);
    let (runtime, _quiet) = quiet_runtime();
    let app = runtime.block_on(App::start_with_faults(Faults::none()));
    let (number, asked) = (Cell::new(0), Cell::new(0));
    let config = Config {
        cases: u32::try_from(wanted).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let rng = crate::proof::model::seeded(seed, 0);
    let checked = TestRunner::new_with_rng(config, rng).run(&vec(ops(), 1..24), |sequence| {
        number.set(number.get() + 1);
        asked.set(asked.get() + runtime.block_on(play(&app, number.get(), &sequence))?);
        Ok(())
    });
    if let Err(failure) = checked {
        panic!("LATCHKEY_TEST_SEQUENCES={wanted} LATCHKEY_TEST_SEED={seed}: {failure}");
    }
    assert!(asked.get() > wanted, "sequences are not empty");
    report(&format!("messages: {wanted} sequences, {} requests, seed {seed}", asked.get()));
}
