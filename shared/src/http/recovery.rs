//! `…/users/{user_id}/recovery_codes`: create, show, delete and verify a user's recovery codes (docs/API.md). An addition to
//! the `WorkOS` API.
//!
//! Each function serves the part that its permissions allow.

use super::call::Call;
use super::error::{Entity, Error};
use super::extract::{Body, PathId};
use super::wire::{Answer, RecoveryCodesBody, RecoveryVerificationBody, created};
use crate::domain::challenge::Challenge;
use crate::domain::guard::{Evidence, Guard, Prompt, Refusal, Verdict};
use crate::domain::id::{AttemptId, ChallengeId, RecoveryCodesId};
use crate::domain::policy::{RECOVERY_CODES, RECOVERY_PROMPT_TTL};
use crate::domain::recovery::{RecoveryCode, RecoveryCodes};
use crate::domain::user::UserId;
use crate::store::{Decision, DecisionOutcome, Seen};
use crate::vault::keyring::Keyring;
use http::StatusCode;
use rand::RngExt as _;

/// Creates a set of codes, which are shown once, in place of the user's earlier set.
pub(super) async fn create(
    call: Call<Keyring>,
    PathId(user): PathId,
    Body(mut fields): Body,
) -> Result<Answer<RecoveryCodesBody>, Error> {
    let user = parse_user(&user)?;
    let accept_on_challenges = fields.flag("accept_on_challenges");
    let accept_on_challenges = fields.check(accept_on_challenges)?;
    let (created_at, mut rng) = (call.core.now(), call.core.rng()?);
    let id = RecoveryCodesId::new(created_at, &mut rng);
    let new = call.seal().await?.new_recovery_codes(id, &mut rng)?;
    // A verify of the set that is being replaced must not be written over this one, so the two must differ in their version.
    let guard = Guard { version: rng.random::<u32>().into(), ..Guard::default() };
    let set = RecoveryCodes {
        id,
        environment: call.caller.environment.id,
        user,
        created_at,
        accept_on_challenges,
        total: RECOVERY_CODES,
        key: new.key,
        codes: new.macs,
        guard,
    };
    call.core.store.replace_recovery_codes(&set).await?;
    call.trail.recovery_codes(&set);
    Ok(created(RecoveryCodesBody::new(&set, Some(&new.codes))))
}

pub(super) async fn read(call: Call, PathId(user): PathId) -> Result<Answer<RecoveryCodesBody>, Error> {
    Ok(Answer(StatusCode::OK, RecoveryCodesBody::new(&find(&call, &user).await?, None)))
}

pub(super) async fn delete(call: Call, PathId(user): PathId) -> Result<StatusCode, Error> {
    let set = find(&call, &user).await?;
    call.core.store.delete_recovery_codes(set.environment, &set.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn verify(
    call: Call<Keyring>,
    PathId(user): PathId,
    Body(mut fields): Body,
) -> Result<Answer<RecoveryVerificationBody>, Error> {
    let code = fields.required("code", RecoveryCode::parse);
    let code = fields.check(code)?;
    let set = find(&call, &user).await?;
    let now = call.core.now();
    // A request of its own is a prompt of its own: its attempt is remembered until its outcome is known for certain.
    let id = ChallengeId::new(now, &mut call.core.rng()?);
    let prompt = Prompt { id, expires_at: now.plus(RECOVERY_PROMPT_TTL) };
    let (verdict, remaining) = settle(&call, set, prompt, &code).await?;
    Ok(created(RecoveryVerificationBody { valid: verdict == Verdict::Valid, remaining }))
}

/// Verifies a recovery code at a challenge of one of the user's factors: the verdict, and how many codes are left.
///
/// `None` if the challenge does not accept recovery codes: they must have been created to be accepted here, and the factor
/// must have been verified before. Otherwise a recovery code would activate a phone that no one has proven to hold.
pub(super) async fn verify_at(
    call: &Call<Keyring>,
    challenge: &Challenge,
    code: &RecoveryCode,
) -> Result<Option<(Verdict, usize)>, Error> {
    let store = &call.core.store;
    let unknown = || Error::not_found(Entity::Challenge, &challenge.id.to_string());
    let factor = store.factor(challenge.environment, challenge.factor).await?.ok_or_else(unknown)?;
    call.trail.factor(&factor);
    let Some(user) = factor.user.as_ref().filter(|_| factor.guard.last_used_at.is_some()) else {
        return Ok(None);
    };
    let set = store.recovery_codes(challenge.environment, user).await?;
    let Some(set) = set.filter(|set| set.accept_on_challenges) else { return Ok(None) };
    if factor.guard.has_verified(challenge.id) {
        return Err(Error::refused(challenge.id, Refusal::Verified));
    }
    settle(call, set, challenge.into(), code).await.map(Some)
}

async fn settle(
    call: &Call<Keyring>,
    set: RecoveryCodes,
    prompt: Prompt,
    code: &RecoveryCode,
) -> Result<(Verdict, usize), Error> {
    let (id, user) = (set.id, set.user.clone());
    let attempt = AttemptId::new(call.core.now(), &mut call.core.rng()?);
    let guess = Guess { call, id, prompt, code, attempt };
    match call.core.store.decide(Seen::Read(set), &guess).await? {
        DecisionOutcome::Written(verdict, set) => {
            call.trail.recovery_codes(&set);
            call.trail.verdict(verdict, set.guard.accepts_challenges(call.core.now()).err());
            Ok((verdict, set.codes.len()))
        }
        DecisionOutcome::Deleted => Err(Error::not_found(Entity::RecoveryCodes, user.as_str())),
        DecisionOutcome::Contended => Err(Error::busy()),
    }
}

async fn find<S>(call: &Call<S>, given: &str) -> Result<RecoveryCodes, Error> {
    let user = parse_user(given)?;
    let set = call.core.store.recovery_codes(call.caller.environment.id, &user).await?;
    let set = set.ok_or_else(|| Error::not_found(Entity::RecoveryCodes, given))?;
    call.trail.recovery_codes(&set);
    Ok(set)
}

fn parse_user(given: &str) -> Result<UserId, Error> {
    UserId::parse(given).map_err(|_| Error::not_found(Entity::User, given))
}

/// A guess at a set.
struct Guess<'a> {
    call: &'a Call<Keyring>,
    /// The set as it was read first.
    id: RecoveryCodesId,
    prompt: Prompt,
    code: &'a RecoveryCode,
    attempt: AttemptId,
}

impl Decision for Guess<'_> {
    type Record = RecoveryCodes;
    type Outcome = Verdict;
    type Error = Error;

    async fn decide(&self, mut set: RecoveryCodes) -> Result<(Verdict, RecoveryCodes), Error> {
        // The earlier set is gone, and with it the record of an attempt that may have been written.
        if set.id != self.id {
            return Err(Error::replaced());
        }
        let admission = set.guard.admit(self.prompt, self.call.core.now());
        let admission = admission.map_err(|refusal| Error::refused(self.prompt.id, refusal))?;
        let used = self.call.seal().await?.recovery_code_in(&set, self.code)?;
        let evidence = if used.is_some() { Evidence::Code } else { Evidence::Wrong };
        let (verdict, guard) = admission.judge(evidence, self.attempt);
        set.guard = guard;
        set.codes.retain(|stored| Some(stored) != used.as_ref());
        Ok((verdict, set))
    }

    fn recorded(&self, set: &RecoveryCodes) -> Option<Verdict> {
        set.guard.verdict_on(self.prompt.id, self.attempt)
    }
}
