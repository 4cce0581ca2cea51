//! SUP-08: random sequences of requests, each answer compared with what the sequential specification says.
//!
//! `LATCHKEY_TEST_SEQUENCES=10000 cargo test --test it model -- --nocapture` is the nightly run; it prints its seed.

use crate::proof::loss;
use crate::proof::spec::{Answer, HOUR, Kind, MINUTE, Means, Request, SECOND, Spec};
use crate::proof::world::{Pick, World, quiet_runtime, report, run_size};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::cell::Cell;

/// Sequences in a plain `cargo test`.
const SEQUENCES: usize = 100;
/// Sequences a server lives for: its memory is not endless.
const SEQUENCES_PER_WORLD: usize = 50;

/// A step of a sequence. Factors and challenges are counted back from the newest, round and round.
#[derive(Debug, Clone)]
enum Op {
    Enroll(Kind),
    Challenge(usize),
    Verify(usize, Pick),
    Delete(usize),
    Advance(i64),
    /// To a moment at which an answer may change by itself, a millisecond before or after it, or right on it.
    AdvanceTo(usize, i64),
    /// Wrong guesses in a row, each as soon as it is looked at.
    Fail(usize, usize),
    /// Right guesses in a row, each at a new challenge.
    Succeed(usize, usize),
    /// New recovery codes, of the same user or of a new one.
    Renew(bool),
    /// Guesses at recovery codes in a row, each as soon as it is looked at.
    Recover(Pick, usize),
    Revoke,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![2 => Just(Kind::Totp), 1 => Just(Kind::Generic)]
}

fn ops() -> impl Strategy<Value = Op> {
    let recent = || prop_oneof![6 => Just(0_usize), 2 => Just(1), 1 => 0..8_usize];
    let picks = prop_oneof![
        4 => Just(Pick::Right),
        6 => Just(Pick::Wrong),
        3 => (-2..=2_i64).prop_map(Pick::Step),
        2 => Just(Pick::Again),
    ];
    let recovery_picks = picks.clone();
    prop_oneof![
        1 => kinds().prop_map(Op::Enroll),
        8 => recent().prop_map(Op::Challenge),
        24 => (recent(), picks).prop_map(|(challenge, pick)| Op::Verify(challenge, pick)),
        1 => recent().prop_map(Op::Delete),
        2 => prop_oneof![0..MINUTE, 0..HOUR, 0..30 * HOUR].prop_map(Op::Advance),
        6 => (0..6_usize, -1..=1_i64).prop_map(|(point, off)| Op::AdvanceTo(point, off)),
        2 => (recent(), prop_oneof![4 => 1..8_usize, 1 => 8..24_usize]).prop_map(|(of, n)| Op::Fail(of, n)),
        1 => (recent(), 1..4_usize).prop_map(|(of, n)| Op::Succeed(of, n)),
        2 => any::<bool>().prop_map(Op::Renew),
        8 => (recovery_picks, prop_oneof![6 => Just(1), 1 => 2..8_usize]).prop_map(|(pick, n)| Op::Recover(pick, n)),
        1 => Just(Op::Revoke),
    ]
}

/// One sequence as it is played: factors of its own, and the specification beside them.
struct Play<'a> {
    world: &'a World,
    spec: Spec,
    factors: Vec<(usize, Kind)>,
    /// Each challenge with its factor.
    challenges: Vec<(usize, usize)>,
    /// The user whose recovery codes are guessed at.
    user: usize,
    asked: usize,
}

fn from_newest<T: Copy>(all: &[T], back: usize) -> Option<T> {
    all.iter().rev().cycle().nth(back % all.len().max(1)).copied()
}

impl Play<'_> {
    /// Asks both, and compares.
    async fn ask(&mut self, request: Request) -> Result<Answer, TestCaseError> {
        let now = self.world.now();
        let promised = self.spec.answer(now, &request);
        let seen = self.world.ask(&request).await;
        self.asked += 1;
        prop_assert_eq!(&seen, &promised, "(seen, promised) at {} to {:?}\n{:#?}", now, request, self.spec);
        Ok(seen)
    }

    /// The answer a request would get.
    fn foresee(&self, request: &Request) -> Answer {
        self.spec.clone().answer(self.world.now(), request)
    }

    async fn challenge(&mut self, factor: usize) -> Result<Option<usize>, TestCaseError> {
        let challenge = self.world.number();
        let answer = self.ask(Request::Challenge { factor, challenge }).await?;
        let made = (answer.status == 201).then_some(challenge);
        self.challenges.extend(made.map(|challenge| (challenge, factor)));
        Ok(made)
    }

    /// One wrong guess as soon as it is looked at; `false` if it never is.
    async fn fail(&mut self, factor: usize) -> Result<bool, TestCaseError> {
        let new = Request::Challenge { factor, challenge: usize::MAX };
        if let Some(retry_at) = self.foresee(&new).retry_at {
            self.world.advance_to(retry_at);
        }
        let newest = self.challenges.iter().rev().find(|(_, of)| *of == factor).map(|(id, _)| *id);
        let takes_it =
            |challenge: &usize| self.foresee(&self.world.guess(*challenge, Pick::Wrong)).valid == Some(false);
        let open = match newest.filter(takes_it) {
            Some(challenge) => Some(challenge),
            None => self.challenge(factor).await?,
        };
        let Some(challenge) = open else { return Ok(false) };
        self.ask(self.world.guess(challenge, Pick::Wrong)).await?;
        Ok(true)
    }

    async fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let factor = |back| from_newest(&self.factors, back).map(|(factor, _)| factor);
        match *op {
            Op::Enroll(kind) => {
                let factor = self.world.number();
                self.ask(Request::Enroll { factor, kind }).await?;
                self.factors.push((factor, kind));
            }
            Op::Challenge(back) => {
                if let Some(factor) = factor(back) {
                    self.challenge(factor).await?;
                }
            }
            Op::Verify(back, pick) => {
                if let Some((challenge, _)) = from_newest(&self.challenges, back) {
                    self.ask(self.world.guess(challenge, pick)).await?;
                }
            }
            Op::Delete(back) => {
                if let Some(factor) = factor(back) {
                    self.ask(Request::Delete { factor }).await?;
                }
            }
            Op::Advance(by) => self.world.advance_to(self.world.now() + by),
            Op::AdvanceTo(point, off) => {
                let points = self.spec.turning_points(self.world.now());
                self.world.advance_to((points[point % points.len()] + off).max(self.world.now()));
            }
            Op::Fail(back, times) => {
                let Some(factor) = factor(back) else { return Ok(()) };
                for _ in 0..times {
                    if !self.fail(factor).await? {
                        break;
                    }
                }
            }
            Op::Succeed(back, times) => {
                let Some(factor) = factor(back) else { return Ok(()) };
                for _ in 0..times {
                    if let Some(challenge) = self.challenge(factor).await? {
                        self.ask(self.world.guess(challenge, Pick::Right)).await?;
                    }
                }
            }
            Op::Renew(is_new_user) => {
                if is_new_user {
                    self.user = self.world.number();
                }
                let (user, generation) = (self.user, self.world.number());
                self.ask(Request::Renew { user, generation }).await?;
            }
            Op::Recover(pick, times) => {
                for _ in 0..times {
                    let guess = self.world.recovery_guess(self.user, pick);
                    if let Some(retry_at) = self.foresee(&guess).retry_at
                        && times > 1
                    {
                        self.world.advance_to(retry_at);
                    }
                    self.ask(guess).await?;
                }
            }
            Op::Revoke => {
                self.ask(Request::Revoke { user: self.user }).await?;
            }
        }
        Ok(())
    }
}

/// Plays a sequence on factors of its own; says how many requests it took.
async fn play(world: &World, sequence: &[Op]) -> Result<usize, TestCaseError> {
    let spec = Spec::default();
    let user = world.number();
    let mut play = Play { world, spec, factors: Vec::new(), challenges: Vec::new(), user, asked: 0 };
    for op in sequence {
        play.step(op).await?;
    }
    Ok(play.asked)
}

fn sequences() -> impl Strategy<Value = Vec<Op>> {
    (kinds(), vec(ops(), 1..48)).prop_map(|(kind, ops)| [vec![Op::Enroll(kind)], ops].concat())
}

pub(super) fn seeded(seed: u64, batch: usize) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&batch.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

#[test]
fn sup_08_thr_04_every_answer_of_random_sequences_is_the_specifications() {
    let (wanted, seed) = run_size(SEQUENCES);
    let (runtime, _quiet) = quiet_runtime();
    let (sequences_played, asked) = (Cell::new(0), Cell::new(0));
    for (batch, start) in (0..wanted).step_by(SEQUENCES_PER_WORLD).enumerate() {
        // Every other world loses some writes and answers, never more than the client's retries make good.
        let writes = if batch % 2 == 1 { SEQUENCES_PER_WORLD * 100 } else { 0 };
        let world = runtime.block_on(World::start(seed, &loss::some(seed, writes, 10, true)));
        let cases = u32::try_from(SEQUENCES_PER_WORLD.min(wanted - start)).unwrap();
        let config =
            Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
        let checked = TestRunner::new_with_rng(config, seeded(seed, batch)).run(&sequences(), |sequence| {
            asked.set(asked.get() + runtime.block_on(play(&world, &sequence))?);
            sequences_played.set(sequences_played.get() + 1);
            Ok(())
        });
        if let Err(failure) = checked {
            panic!("LATCHKEY_TEST_SEQUENCES={wanted} LATCHKEY_TEST_SEED={seed}, batch {batch}: {failure}");
        }
    }
    let (sequences, asked) = (sequences_played.get(), asked.get());
    assert!(asked > sequences * 5, "sequences are not empty");
    report(&format!("model: {sequences} sequences, {asked} requests, seed {seed}"));
}

/// What chance rarely finds, each in a few words.
async fn written(sequence: &[Op]) {
    play(&World::start(1, &[]).await, sequence).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn thr_05_thr_06_a_hundred_failures_are_waited_for_and_disable() {
    use Op::{Advance, Challenge, Enroll, Fail, Succeed};
    let years = Advance(24 * HOUR * 365);
    written(&[Enroll(Kind::Totp), Fail(0, 99), years.clone(), Fail(0, 1), years, Challenge(0), Fail(0, 1)])
        .await;
    written(&[Enroll(Kind::Generic), Fail(0, 12), Advance(HOUR), Succeed(0, 1), Fail(0, 101)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thr_08_twenty_failures_in_a_day_lock_whatever_succeeds_between() {
    use Op::{Advance, Challenge, Enroll, Fail, Succeed, Verify};
    let mut sequence = vec![Enroll(Kind::Generic)];
    for round in 0..6 {
        sequence.extend([Fail(0, 3), Succeed(0, 1)]);
        if round == 2 {
            sequence.push(Advance(13 * HOUR));
        }
    }
    sequence.extend([Challenge(0), Fail(0, 1), Succeed(0, 1), Challenge(0), Challenge(0), Fail(0, 1)]);
    // Refused until the first failure is a day old, to the millisecond, though a success came before the last failure.
    sequence.extend([Verify(0, Pick::Right), Verify(1, Pick::Right), Challenge(0)]);
    sequence.extend([Advance(11 * HOUR - 1), Challenge(0), Advance(1), Challenge(0), Verify(0, Pick::Right)]);
    written(&sequence).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_remembers_fifty_tried_challenges() {
    use Op::{Advance, Challenge, Enroll, Succeed, Verify};
    let untried = [Challenge(0), Challenge(0)];
    let tried = [Succeed(0, 49), Verify(50, Pick::Wrong), Verify(49, Pick::Right), Challenge(0)];
    let forgotten =
        [Advance(20 * MINUTE - 1), Challenge(0), Advance(1), Challenge(0), Verify(0, Pick::Right)];
    written(&[vec![Enroll(Kind::Generic)], untried.into(), tried.into(), forgotten.into()].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_06_recovery_codes_have_the_limits_of_a_factor() {
    use Op::{Advance, Recover, Renew, Revoke};
    let years = Advance(24 * HOUR * 365);
    let locked =
        [Recover(Pick::Wrong, 5), Recover(Pick::Right, 1), Advance(30 * SECOND), Recover(Pick::Right, 1)];
    let day =
        [Recover(Pick::Wrong, 20), Recover(Pick::Right, 1), Advance(24 * HOUR), Recover(Pick::Right, 2)];
    let disabled = [Recover(Pick::Wrong, 100), years, Recover(Pick::Right, 1)];
    // A new set is a new authenticator, with limits of its own.
    let renewed =
        [Renew(false), Recover(Pick::Step(0), 1), Recover(Pick::Right, 10), Recover(Pick::Right, 1)];
    let revoked = [Revoke, Revoke, Recover(Pick::Again, 1), Renew(false), Recover(Pick::Again, 1)];
    written(
        &[vec![Renew(true)], locked.into(), day.into(), disabled.into(), renewed.into(), revoked.into()]
            .concat(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sup_09_a_seed_replays_bit_for_bit() {
    use Op::{Advance, Challenge, Delete, Enroll, Fail, Succeed, Verify};
    let sequence = [
        Enroll(Kind::Totp),
        Enroll(Kind::Generic),
        Succeed(1, 2),
        Succeed(0, 2),
        Fail(1, 7),
        Advance(45 * SECOND),
        Challenge(1),
        Verify(0, Pick::Again),
        Delete(0),
        Verify(2, Pick::Right),
    ];
    let mut answers = Vec::new();
    for seed in [7, 7, 8] {
        let world = World::start(seed, &[]).await;
        play(&world, &sequence).await.unwrap();
        answers.push(world.answers());
    }
    assert_eq!(answers[0], answers[1], "ids, secrets, codes and moments");
    assert_ne!(answers[0], answers[2]);
}

#[test]
fn the_specification_knows_a_spent_step() {
    let mut spec = Spec::default();
    let mut ask = |request: Request| spec.answer(90 * SECOND, &request);
    ask(Request::Enroll { factor: 0, kind: Kind::Totp });
    for challenge in [1, 2] {
        assert_eq!(ask(Request::Challenge { factor: 0, challenge }).status, 201);
    }
    let mut verify = |challenge, step| {
        ask(Request::Verify { challenge, code: "123456".to_owned(), means: Means::Steps(vec![step]) }).valid
    };
    assert_eq!(verify(1, 5), Some(false), "two steps away");
    assert_eq!(verify(1, 3), Some(true));
    assert_eq!(verify(1, 4), None, "verified before");
    assert_eq!(verify(2, 3), Some(false), "spent");
    assert_eq!(verify(2, 2), Some(false), "older");
    assert_eq!(verify(2, 4), Some(true));
}
