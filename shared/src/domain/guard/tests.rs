//! The guard on its own: limits, replays, bounded memory, and properties of any sequence of guesses.

use super::*;
use crate::domain::challenge::ChallengeCode;
use crate::domain::id::{EnvironmentId, FactorId};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::time::Duration;

const START: i64 = 1_800_000_000_000;

struct Fixture {
    rng: StdRng,
    now: Timestamp,
}

impl Fixture {
    fn new() -> Self {
        Self { rng: StdRng::from_seed([3; 32]), now: Timestamp::from_millis(START).unwrap() }
    }

    fn challenge(&mut self) -> Challenge {
        Challenge {
            snapshot: None,
            id: ChallengeId::new(self.now, &mut self.rng),
            environment: EnvironmentId::new(self.now, &mut self.rng),
            factor: FactorId::new(self.now, &mut self.rng),
            created_at: self.now,
            expires_at: self.now.plus(Duration::from_mins(10)),
            code: ChallengeCode::Computed,
        }
    }

    fn attempt(&mut self) -> AttemptId {
        AttemptId::new(self.now, &mut self.rng)
    }

    fn guess(
        &mut self,
        guard: &mut Guard,
        challenge: &Challenge,
        evidence: Evidence,
    ) -> Result<Verdict, Refusal> {
        let attempt = self.attempt();
        let (verdict, next) = guard.admit(challenge, self.now)?.judge(evidence, attempt);
        *guard = next;
        Ok(verdict)
    }
}

#[test]
fn thr_01_a_challenge_accepts_five_guesses() {
    let mut fixture = Fixture::new();
    let challenge = fixture.challenge();
    let mut guard = Guard::default();
    for _ in 0..4 {
        assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Wrong), Ok(Verdict::Wrong));
    }
    let mut lucky = guard.clone();
    assert_eq!(fixture.guess(&mut lucky, &challenge, Evidence::Code), Ok(Verdict::Valid));
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Wrong), Ok(Verdict::Wrong));
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Err(Refusal::Exhausted));
}

#[test]
fn one_01_a_challenge_verifies_once() {
    let mut fixture = Fixture::new();
    let challenge = fixture.challenge();
    let mut guard = Guard::default();
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Ok(Verdict::Valid));
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Err(Refusal::Verified));
}

#[test]
fn one_02_an_accepted_step_and_all_earlier_ones_are_replays_for_every_challenge_of_the_factor() {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.challenge(), fixture.challenge());
    let mut guard = Guard::default();
    assert_eq!(fixture.guess(&mut guard, &first, Evidence::Step(Step(100))), Ok(Verdict::Valid));
    assert_eq!(fixture.guess(&mut guard, &second, Evidence::Step(Step(100))), Ok(Verdict::Replayed));
    assert_eq!(fixture.guess(&mut guard, &second, Evidence::Step(Step(99))), Ok(Verdict::Replayed));
    assert_eq!(fixture.guess(&mut guard, &second, Evidence::Step(Step(101))), Ok(Verdict::Valid));
    assert_eq!(guard.last_step, Some(Step(101)));
}

#[test]
fn exp_01_a_challenge_is_refused_from_its_expiry_on() {
    let mut fixture = Fixture::new();
    let challenge = fixture.challenge();
    let end = challenge.expires_at.millis();
    for (millis, open) in [(end - 1, true), (end, false), (end + 1, false)] {
        let now = Timestamp::from_millis(millis).unwrap();
        assert_eq!(Guard::default().admit(&challenge, now).is_ok(), open, "{now}");
    }
}

#[test]
fn expiry_is_reported_before_earlier_attempts() {
    let mut fixture = Fixture::new();
    let challenge = fixture.challenge();
    let mut guard = Guard::default();
    fixture.guess(&mut guard, &challenge, Evidence::Code).unwrap();
    fixture.now = challenge.expires_at;
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Err(Refusal::Expired));
}

#[test]
fn flt_18_a_clock_that_steps_back_five_minutes_reopens_no_challenge() {
    let mut fixture = Fixture::new();
    let (old, new) = (fixture.challenge(), fixture.challenge());
    let mut guard = Guard::default();
    fixture.guess(&mut guard, &old, Evidence::Step(Step(100))).unwrap();
    let opened = fixture.now;
    fixture.now = opened.plus(Duration::from_mins(14));
    let later = fixture.challenge();
    fixture.guess(&mut guard, &later, Evidence::Wrong).unwrap();
    fixture.now = opened.plus(Duration::from_mins(9));
    assert_eq!(fixture.guess(&mut guard, &old, Evidence::Step(Step(101))), Err(Refusal::Verified));
    assert_eq!(fixture.guess(&mut guard, &new, Evidence::Step(Step(100))), Ok(Verdict::Replayed));
}

#[test]
fn flt_03_only_a_counted_attempt_has_a_recorded_verdict() {
    let mut fixture = Fixture::new();
    let challenge = fixture.challenge();
    let (wrong, right, unseen) = (fixture.attempt(), fixture.attempt(), fixture.attempt());
    let (_, guard) = Guard::default().admit(&challenge, fixture.now).unwrap().judge(Evidence::Wrong, wrong);
    let (_, guard) = guard.admit(&challenge, fixture.now).unwrap().judge(Evidence::Code, right);
    assert_eq!(guard.verdict_on(challenge.id, wrong), Some(Verdict::Wrong));
    assert_eq!(guard.verdict_on(challenge.id, right), Some(Verdict::Valid));
    assert_eq!(guard.verdict_on(challenge.id, unseen), None);
    assert_eq!(guard.verdict_on(fixture.challenge().id, right), None);
}

#[test]
fn the_number_of_remembered_challenges_is_bounded_and_the_refusal_has_a_retry_time() {
    let mut fixture = Fixture::new();
    let mut guard = Guard::default();
    for _ in 0..MAX_TRIED_CHALLENGES {
        let challenge = fixture.challenge();
        fixture.guess(&mut guard, &challenge, Evidence::Code).unwrap();
    }
    let clears = fixture.now.plus(Duration::from_mins(20));
    let challenge = fixture.challenge();
    let refusal = Err(Refusal::Locked(Locked { retry_at: Some(clears) }));
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), refusal);
    fixture.now = clears;
    let challenge = fixture.challenge();
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Ok(Verdict::Valid));
    assert_eq!(guard.spent.len(), 1);
}

/// Makes one wrong guess at a new challenge and returns the lockout.
fn fail_once(fixture: &mut Fixture, guard: &mut Guard) -> Duration {
    let challenge = fixture.challenge();
    fixture.guess(guard, &challenge, Evidence::Wrong).unwrap();
    let wait = guard.locked_until.map_or(0, |until| until.millis() - fixture.now.millis());
    Duration::from_millis(wait.try_into().unwrap())
}

#[test]
fn thr_06_the_lockout_doubles_from_30_seconds_to_an_hour() {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let waits: Vec<Duration> = (0..=13).filter_map(backoff).collect();
    let expected = [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600].map(Duration::from_secs);
    assert_eq!(waits, expected, "from the fifth failure on");
    assert_eq!(backoff(u32::MAX), Some(minutes(60)));
    let hundred: Duration = (0..MAX_CONSECUTIVE_FAILURES).filter_map(backoff).sum();
    assert!(hundred >= Duration::from_hours(89), "a hundred guesses take {hundred:?}");
}

#[test]
fn thr_03_failures_count_across_challenges_and_lock_the_factor() {
    let mut fixture = Fixture::new();
    let mut guard = Guard::default();
    let waits: Vec<u64> = (0..6)
        .map(|_| {
            let wait = fail_once(&mut fixture, &mut guard);
            fixture.now = fixture.now.plus(wait);
            wait.as_secs()
        })
        .collect();
    assert_eq!(waits, [0, 0, 0, 0, 30, 60]);
}

#[test]
fn thr_07_a_guess_at_a_locked_factor_is_refused_and_not_counted() {
    let mut fixture = Fixture::new();
    let mut guard = Guard::default();
    for _ in 0..5 {
        fail_once(&mut fixture, &mut guard);
    }
    let (challenge, locked) = (fixture.challenge(), guard.clone());
    let until = fixture.now.plus(Duration::from_secs(30));
    for _ in 0..10_000 {
        for evidence in [Evidence::Wrong, Evidence::Code] {
            let refusal = Refusal::Locked(Locked { retry_at: Some(until) });
            assert_eq!(fixture.guess(&mut guard, &challenge, evidence), Err(refusal));
        }
    }
    assert_eq!(guard, locked);
    assert_eq!(guard.accepts_challenges(fixture.now), Err(Locked { retry_at: Some(until) }));
    fixture.now = until;
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Ok(Verdict::Valid));
}

#[test]
fn thr_08_twenty_failures_a_day_lock_the_factor_despite_successes_in_between() {
    let mut fixture = Fixture::new();
    let mut guard = Guard::default();
    let first = fixture.now;
    for failure in 0..20 {
        if failure == 19 {
            let challenge = fixture.challenge();
            assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Ok(Verdict::Valid));
            assert_eq!(guard.failures, 0);
        }
        let wait = fail_once(&mut fixture, &mut guard);
        fixture.now = fixture.now.plus(wait).plus(Duration::from_secs(1));
    }
    let challenge = fixture.challenge();
    let frees = first.plus(FAILURE_WINDOW);
    let refusal = Refusal::Locked(Locked { retry_at: Some(frees) });
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Err(refusal));
    fixture.now = frees;
    let challenge = fixture.challenge();
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Ok(Verdict::Valid));
    assert!(guard.recent_failures.len() <= MAX_FAILURES_PER_DAY);
}

#[test]
fn thr_05_a_hundred_consecutive_failures_disable_the_factor_until_an_operator_unlocks_it() {
    let mut fixture = Fixture::new();
    let mut guard = Guard::default();
    while !guard.is_disabled() {
        fail_once(&mut fixture, &mut guard);
        while let Err(Locked { retry_at: Some(retry_at) }) = guard.accepts_challenges(fixture.now) {
            fixture.now = retry_at;
        }
    }
    assert_eq!(guard.failures, 100);
    fixture.now = fixture.now.plus(Duration::from_hours(24 * 365));
    let challenge = fixture.challenge();
    let never = Refusal::Locked(Locked { retry_at: None });
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Err(never));
    let unlocked = guard.unlock();
    assert_eq!((unlocked.version, &unlocked.spent), (guard.version + 1, &guard.spent));
    guard = unlocked;
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Ok(Verdict::Valid));
}

#[test]
fn thr_08_an_unlocked_factor_accepts_guesses_at_once_but_no_used_step() {
    let mut fixture = Fixture::new();
    let (mut guard, spent) = (Guard::default(), fixture.challenge());
    assert_eq!(fixture.guess(&mut guard, &spent, Evidence::Step(Step(100))), Ok(Verdict::Valid));
    let mut wait = Duration::ZERO;
    for _ in 0..MAX_FAILURES_PER_DAY {
        fixture.now = fixture.now.plus(wait);
        wait = fail_once(&mut fixture, &mut guard);
    }
    assert!(guard.locked_until > Some(fixture.now), "locked by consecutive failures and by the daily limit");
    guard = guard.unlock();
    let fresh = fixture.challenge();
    assert_eq!(fixture.guess(&mut guard, &fresh, Evidence::Step(Step(100))), Ok(Verdict::Replayed));
    assert_eq!(fixture.guess(&mut guard, &fresh, Evidence::Step(Step(101))), Ok(Verdict::Valid));
}

proptest! {
    /// THR-04: only a success or an operator lowers the count of consecutive failures; nothing shortens a lockout.
    #[test]
    fn thr_04_no_sequence_of_challenges_and_guesses_lowers_a_count(
        guesses in prop::collection::vec((any::<bool>(), 0_u64..4_000, any::<bool>()), 1..60)
    ) {
        let mut fixture = Fixture::new();
        let mut guard = Guard::default();
        let mut challenge = fixture.challenge();
        for (right, wait, fresh) in guesses {
            fixture.now = fixture.now.plus(Duration::from_secs(wait));
            if fresh {
                challenge = fixture.challenge();
            }
            let before = guard.clone();
            let evidence = if right { Evidence::Code } else { Evidence::Wrong };
            if let Ok(verdict) = fixture.guess(&mut guard, &challenge, evidence) {
                prop_assert!(before.check_lockout(fixture.now).is_ok(), "no verdict while locked");
                let expected = if verdict == Verdict::Valid { 0 } else { before.failures + 1 };
                prop_assert_eq!(guard.failures, expected);
                prop_assert!(guard.recent_failures.len() <= MAX_FAILURES_PER_DAY);
            } else {
                prop_assert_eq!(&guard, &before);
            }
        }
    }

    /// In any order of guesses, steps and times: at most five attempts and one success per challenge, and each step
    /// once.
    #[test]
    fn no_sequence_of_guesses_breaks_the_limits(
        guesses in prop::collection::vec((0_usize..4, 0_u64..4, any::<bool>(), 0_u64..120), 1..80)
    ) {
        let mut fixture = Fixture::new();
        let challenges: Vec<Challenge> = (0..4).map(|_| fixture.challenge()).collect();
        let mut guard = Guard::default();
        let mut counted = [0_usize; 4];
        let mut verified = [0_usize; 4];
        let mut steps = std::collections::BTreeSet::new();
        for (which, step, right, wait) in guesses {
            fixture.now = fixture.now.plus(Duration::from_secs(wait));
            let evidence = if right { Evidence::Step(Step(step)) } else { Evidence::Wrong };
            let before = guard.clone();
            if let Ok(verdict) = fixture.guess(&mut guard, &challenges[which], evidence) {
                counted[which] += 1;
                prop_assert_eq!(guard.version, before.version + 1);
                if verdict == Verdict::Valid {
                    verified[which] += 1;
                    prop_assert!(right && steps.last() < Some(&step) && steps.insert(step));
                }
            } else {
                prop_assert_eq!(&guard, &before);
            }
            prop_assert!(counted[which] <= 5 && verified[which] <= 1);
        }
    }
}
