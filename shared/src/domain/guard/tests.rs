//! The guard alone: limits, replay, memory, and what no sequence of guesses can do.

use super::*;
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
            id: ChallengeId::new(self.now, &mut self.rng),
            environment: EnvironmentId::new(self.now, &mut self.rng),
            factor: FactorId::new(self.now, &mut self.rng),
            created_at: self.now,
            expires_at: self.now.plus(Duration::from_mins(10)),
            code: None,
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
fn thr_01_a_challenge_takes_five_guesses() {
    let mut fixture = Fixture::new();
    let challenge = fixture.challenge();
    let mut guard = Guard::default();
    for _ in 0..4 {
        assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Wrong), Ok(Verdict::Wrong));
    }
    let mut lucky = guard.clone();
    assert_eq!(fixture.guess(&mut lucky, &challenge, Evidence::Code), Ok(Verdict::Valid));
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Wrong), Ok(Verdict::Wrong));
    let refusal = Err(Refusal::TooManyAttempts { retry_at: None });
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), refusal);
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
fn one_02_a_step_and_all_before_it_are_spent_for_the_whole_factor() {
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
fn exp_01_a_challenge_is_refused_from_its_last_millisecond_on() {
    let mut fixture = Fixture::new();
    let challenge = fixture.challenge();
    let end = challenge.expires_at.millis();
    for (millis, open) in [(end - 1, true), (end, false), (end + 1, false)] {
        let now = Timestamp::from_millis(millis).unwrap();
        assert_eq!(Guard::default().admit(&challenge, now).is_ok(), open, "{now}");
    }
}

#[test]
fn an_expired_challenge_says_so_whatever_it_has_spent() {
    let mut fixture = Fixture::new();
    let challenge = fixture.challenge();
    let mut guard = Guard::default();
    fixture.guess(&mut guard, &challenge, Evidence::Code).unwrap();
    fixture.now = challenge.expires_at;
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Err(Refusal::Expired));
}

#[test]
fn flt_18_a_clock_that_steps_back_five_minutes_reopens_nothing() {
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
fn flt_03_a_counted_attempt_is_found_again_and_no_other() {
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
fn the_memory_of_challenges_is_bounded_and_says_when_it_clears() {
    let mut fixture = Fixture::new();
    let mut guard = Guard::default();
    for _ in 0..TRIED_CHALLENGES {
        let challenge = fixture.challenge();
        fixture.guess(&mut guard, &challenge, Evidence::Wrong).unwrap();
    }
    let clears = fixture.now.plus(Duration::from_mins(20));
    let challenge = fixture.challenge();
    let refusal = Err(Refusal::TooManyAttempts { retry_at: Some(clears) });
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), refusal);
    fixture.now = clears;
    let challenge = fixture.challenge();
    assert_eq!(fixture.guess(&mut guard, &challenge, Evidence::Code), Ok(Verdict::Valid));
    assert_eq!(guard.spent.len(), 1);
}

proptest! {
    /// Whatever the order of guesses, steps and seconds: five attempts, one success a challenge, each step once.
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
            match fixture.guess(&mut guard, &challenges[which], evidence) {
                Ok(verdict) => {
                    counted[which] += 1;
                    prop_assert_eq!(guard.version, before.version + 1);
                    if verdict == Verdict::Valid {
                        verified[which] += 1;
                        prop_assert!(right && steps.last() < Some(&step) && steps.insert(step));
                    }
                }
                Err(_) => prop_assert_eq!(&guard, &before),
            }
            prop_assert!(counted[which] <= 5 && verified[which] <= 1);
        }
    }
}
