//! What the API promises about guesses, written down a second time: one request after the other, from a full history.
//!
//! It shares nothing with `domain::guard` but the promises (design §3–§5, security THR-01 to THR-09, ONE-01, ONE-02,
//! ONE-07, EXP-01). It keeps no counter and forgets nothing: every limit is counted afresh from every guess ever made.
//! Moments are milliseconds since 1970.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
const TOTP_STEP: i64 = 30 * SECOND;
const CHALLENGE_LIVES: i64 = 10 * MINUTE;
const CHALLENGE_REMEMBERED: i64 = 20 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Everything that ever happened to some factors. Factors and challenges go by numbers of the test's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    factors: BTreeMap<usize, Vec<Past>>,
    challenges: BTreeMap<usize, Challenge>,
    /// The recovery codes of users, who have numbers as factors do.
    sets: BTreeMap<usize, Set>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Set {
    /// Which of the sets that the user ever had.
    generation: usize,
    past: Vec<Past>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Challenge {
    factor: usize,
    made: i64,
}

/// A guess that was counted. At recovery codes, `challenge` is the code that was used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Past {
    at: i64,
    challenge: usize,
    right: bool,
    /// The TOTP step that was accepted with it.
    step: Option<u64>,
}

/// What a client may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Enroll {
        factor: usize,
        kind: Kind,
    },
    Challenge {
        factor: usize,
        challenge: usize,
    },
    Verify {
        challenge: usize,
        code: String,
        means: Means,
    },
    Delete {
        factor: usize,
    },
    /// New recovery codes.
    Renew {
        user: usize,
        generation: usize,
    },
    Recover {
        user: usize,
        code: String,
        means: Option<RecoveryCode>,
    },
    Revoke {
        user: usize,
    },
}

/// Which code of which set a recovery code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecoveryCode {
    pub(crate) generation: usize,
    pub(crate) index: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Totp,
    Generic,
}

/// What six digits are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Means {
    /// The TOTP codes of these steps: one, none, or by a rare chance two.
    Steps(Vec<u64>),
    /// Whether they are the code that was made for this challenge.
    Made(bool),
}

/// What can be seen of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The error code.
    pub(crate) code: String,
    /// The verdict.
    pub(crate) valid: Option<bool>,
    pub(crate) retry_at: Option<i64>,
    /// Recovery codes that are left.
    pub(crate) remaining: Option<u64>,
}

impl Answer {
    pub(crate) fn done(status: u16) -> Self {
        Self { status, code: String::new(), valid: None, retry_at: None, remaining: None }
    }

    fn refused(status: u16, code: &str) -> Self {
        Self { code: code.to_owned(), ..Self::done(status) }
    }

    fn too_many(retry_at: Option<i64>) -> Self {
        Self { retry_at, ..Self::refused(400, "one_time_code_too_many_attempts") }
    }

    fn not_found() -> Self {
        Self::refused(404, "entity_not_found")
    }
}

impl Spec {
    /// The answer `request` must get at `now`, and what it changes.
    pub(crate) fn answer(&mut self, now: i64, request: &Request) -> Answer {
        match request {
            Request::Enroll { factor, .. } => {
                self.factors.insert(*factor, Vec::new());
                Answer::done(201)
            }
            Request::Delete { factor } => match self.factors.remove(factor) {
                Some(_) => Answer::done(204),
                None => Answer::not_found(),
            },
            Request::Challenge { factor, challenge } => {
                let Some(past) = self.factors.get(factor) else { return Answer::not_found() };
                if let Some(refused) = locked(past, now).or_else(|| self.crowded(past, now)) {
                    return refused;
                }
                self.challenges.insert(*challenge, Challenge { factor: *factor, made: now });
                Answer::done(201)
            }
            Request::Verify { challenge, means, .. } => self.verify(now, *challenge, means),
            Request::Renew { user, generation } => {
                self.sets.insert(*user, Set { generation: *generation, past: Vec::new() });
                Answer { remaining: Some(10), ..Answer::done(201) }
            }
            Request::Revoke { user } => match self.sets.remove(user) {
                Some(_) => Answer::done(204),
                None => Answer::not_found(),
            },
            Request::Recover { user, means, .. } => match self.sets.get_mut(user) {
                Some(set) => set.recover(now, *means),
                None => Answer::not_found(),
            },
        }
    }

    fn verify(&mut self, now: i64, id: usize, means: &Means) -> Answer {
        let Some(challenge) = self.challenges.get(&id) else { return Answer::not_found() };
        let Some(past) = self.factors.get(&challenge.factor) else { return Answer::not_found() };
        if now >= challenge.made + CHALLENGE_LIVES {
            return Answer::refused(422, "authentication_challenge_expired");
        }
        let here: Vec<&Past> = past.iter().filter(|guess| guess.challenge == id).collect();
        if here.iter().any(|guess| guess.right) {
            return Answer::refused(422, "authentication_challenge_previously_verified");
        }
        if here.len() >= 5 {
            return Answer::too_many(None);
        }
        if let Some(refused) = locked(past, now) {
            return refused;
        }
        if here.is_empty()
            && let Some(refused) = self.crowded(past, now)
        {
            return refused;
        }
        let (right, step) = match means {
            Means::Made(right) => (*right, None),
            Means::Steps(steps) => {
                let step = steps.iter().copied().filter(|step| step.abs_diff(step_at(now)) <= 1).max();
                let fresh = step.filter(|step| past.iter().all(|guess| guess.step < Some(*step)));
                (fresh.is_some(), fresh)
            }
        };
        let guess = Past { at: now, challenge: id, right, step };
        self.factors.get_mut(&challenge.factor).unwrap().push(guess);
        Answer { valid: Some(right), ..Answer::done(201) }
    }

    /// Fifty challenges that were guessed at are as many as a factor remembers.
    fn crowded(&self, past: &[Past], now: i64) -> Option<Answer> {
        let tried: BTreeSet<usize> = past.iter().map(|guess| guess.challenge).collect();
        let forgotten = tried.iter().map(|challenge| self.challenges[challenge].made + CHALLENGE_REMEMBERED);
        let remembered: Vec<i64> = forgotten.filter(|at| now < *at).collect();
        (remembered.len() >= 50).then(|| Answer::too_many(remembered.iter().min().copied()))
    }

    /// The moments after `now` at which some answer may change by itself, the next one first.
    pub(crate) fn turning_points(&self, now: i64) -> Vec<i64> {
        let lives = self.challenges.values().map(|challenge| challenge.made + CHALLENGE_LIVES);
        let remembered = self.challenges.values().map(|challenge| challenge.made + CHALLENGE_REMEMBERED);
        let guesses = self.factors.values().flatten().chain(self.sets.values().flat_map(|set| &set.past));
        let days = guesses.filter(|guess| !guess.right).map(|guess| guess.at + DAY);
        let pasts = self.factors.values().chain(self.sets.values().map(|set| &set.past));
        let locks = pasts.filter_map(|past| locked(past, now)?.retry_at);
        let next_step = (now / TOTP_STEP + 1) * TOTP_STEP;
        let all: BTreeSet<i64> =
            lives.chain(remembered).chain(days).chain(locks).chain([next_step]).collect();
        all.into_iter().filter(|at| now < *at).collect()
    }
}

impl Set {
    fn recover(&mut self, now: i64, means: Option<RecoveryCode>) -> Answer {
        if let Some(refused) = locked(&self.past, now) {
            return refused;
        }
        let used = |index| self.past.iter().any(|guess| guess.right && guess.challenge == index);
        let own = means.filter(|code| code.generation == self.generation && !used(code.index));
        let (right, challenge) = (own.is_some(), own.map_or(usize::MAX, |code| code.index));
        self.past.push(Past { at: now, challenge, right, step: None });
        let used = self.past.iter().filter(|guess| guess.right).count();
        Answer { valid: Some(right), remaining: u64::try_from(10 - used).ok(), ..Answer::done(201) }
    }
}

/// The TOTP step a moment lies in (RFC 6238 §4.2).
pub(crate) fn step_at(now: i64) -> u64 {
    u64::try_from(now / TOTP_STEP).unwrap()
}

/// The refusal of a factor that has had its guesses for now.
fn locked(past: &[Past], now: i64) -> Option<Answer> {
    let in_a_row = past.iter().rev().take_while(|guess| !guess.right).count();
    if in_a_row >= 100 {
        return Some(Answer::too_many(None));
    }
    let backoff = (in_a_row >= 5).then(|| {
        let mut wait = 30 * SECOND;
        for _ in 5..in_a_row {
            wait = (wait * 2).min(HOUR);
        }
        past.last().unwrap().at + wait
    });
    let failed = past.iter().filter(|guess| !guess.right).map(|guess| guess.at);
    let today: Vec<i64> = failed.filter(|at| now < at + DAY).collect();
    let tomorrow = (today.len() >= 20).then(|| today[today.len() - 20] + DAY);
    let until = backoff.max(tomorrow).filter(|until| now < *until)?;
    Some(Answer::too_many(Some(until)))
}
