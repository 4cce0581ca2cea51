//! `POST /auth/challenges/{id}/verify` and, for old SDKs, `POST /auth/factors/verify` (contract §3.4).
//!
//! A verdict is told only after the guard that remembers it is written. A write that lost the race is decided again; a
//! write whose fate is unknown is settled by looking for its attempt.

use super::auth::Verifier;
use super::error::{Entity, Error};
use super::extract::{Body, PathId};
use super::trace::Event;
use super::wire::{ChallengeBody, Json, VerificationBody, created};
use crate::core::{Caller, Core};
use crate::domain::challenge::Challenge;
use crate::domain::code::Code;
use crate::domain::factor::{Guarded, Kind, Sealed};
use crate::domain::guard::{Evidence, Guard, Locked, Verdict};
use crate::domain::id::{AttemptId, ChallengeId};
use crate::domain::policy::VERIFY_ROUNDS;
use crate::domain::time::Timestamp;
use crate::seal::{Seal, SealError};
use crate::store::Settled;
use axum::extract::State;
use axum::routing::post;
use axum::{Extension, Router};

/// The answer, and what its log line says of it.
type Verified = (Extension<Event>, Json<VerificationBody>);

/// The routes of the verify function.
pub fn router(core: Core) -> Router {
    Router::new()
        .route("/auth/challenges/{id}/verify", post(verify))
        .route("/auth/factors/verify", post(verify_by_body))
        .with_state(core)
}

async fn verify(
    State(core): State<Core>,
    Verifier(caller): Verifier,
    PathId(id): PathId,
    Body(mut fields): Body,
) -> Result<Verified, Error> {
    let code = fields.required("code", Code::parse);
    answer(&core, &caller, &id, &fields.check(code)?).await
}

async fn verify_by_body(
    State(core): State<Core>,
    Verifier(caller): Verifier,
    Body(mut fields): Body,
) -> Result<Verified, Error> {
    let id = fields.required_text("authentication_challenge_id");
    let code = fields.required("code", Code::parse);
    let (id, code) = fields.check(id.zip(code))?;
    answer(&core, &caller, &id, &code).await
}

async fn answer(core: &Core, caller: &Caller, given: &str, code: &Code) -> Result<Verified, Error> {
    let environment = &caller.environment;
    let unknown = || Error::not_found(Entity::Challenge, given);
    let id = ChallengeId::parse(given).map_err(|_| unknown())?;
    let challenge = core.store.challenge(environment.id, id).await?.ok_or_else(unknown)?;
    let factor = core.store.factor(environment.id, challenge.factor).await?.ok_or_else(unknown)?;
    let generic = factor.factor.kind == Kind::GenericOtp;
    let (verdict, guard) = settle(core, caller, factor, &challenge, code).await?;
    let valid = verdict == Verdict::Valid;
    // Only a MAC of the code is kept, so it can be shown again only to whoever just gave it.
    let shown = (valid && generic).then_some(code);
    let body = VerificationBody { challenge: ChallengeBody::of(&challenge, shown), valid };
    Ok((Extension(event(verdict, &guard, &challenge, core.now())), created(body)))
}

/// What the log says: replays and locks are for the tenant to see (ONE-09, THR-15).
fn event(verdict: Verdict, guard: &Guard, challenge: &Challenge, now: Timestamp) -> Event {
    let name = match verdict {
        Verdict::Valid => "otp.verified",
        Verdict::Wrong => "otp.wrong",
        Verdict::Replayed => "otp.replayed",
    };
    let locked_until = guard.accepts_challenges(now).err().map(|Locked { retry_at }| {
        retry_at.map_or_else(|| "an operator unlocks it".to_owned(), |moment| moment.to_string())
    });
    Event { name, factor: challenge.factor, locked_until }
}

/// Decides and writes, until a write holds the verdict: the verdict, and the guard that remembers it.
async fn settle(
    core: &Core,
    caller: &Caller,
    mut factor: Guarded,
    challenge: &Challenge,
    code: &Code,
) -> Result<(Verdict, Guard), Error> {
    let attempt = AttemptId::new(core.now(), &mut core.rng()?);
    let told = |guard: &Guard| Some((guard.verdict_on(challenge.id, attempt)?, guard.clone()));
    for _ in 0..VERIFY_ROUNDS {
        let now = core.now();
        let admission =
            factor.guard.admit(challenge, now).map_err(|refusal| Error::refused(challenge.id, refusal))?;
        let (evidence, resealed) = examine(core, &*core.seal(caller).await?, &factor, challenge, code, now)?;
        let (verdict, next) = admission.judge(evidence, attempt);
        factor = match core.store.settle(&factor, &next, resealed.as_ref()).await? {
            Settled::Written => return Ok((verdict, next)),
            Settled::Unknown(current, cause) => {
                return current.and_then(|current| told(&current.guard)).ok_or(cause.into());
            }
            Settled::Changed(None) => {
                return Err(Error::not_found(Entity::Challenge, &challenge.id.to_string()));
            }
            Settled::Changed(Some(current)) => *current,
        };
        if let Some(counted) = told(&factor.guard) {
            return Ok(counted);
        }
    }
    Err(Error::busy())
}

/// What the code turns out to be: a TOTP step's, this challenge's, or neither; and the secret under the current key, if
/// it was sealed with an older one.
fn examine(
    core: &Core,
    seal: &Seal,
    factor: &Guarded,
    challenge: &Challenge,
    code: &Code,
    now: Timestamp,
) -> Result<(Evidence, Option<Sealed>), Error> {
    let Some(sealed) = &factor.secret else {
        let matches = seal.code_matches(code, &factor.factor, challenge)?;
        return Ok((if matches { Evidence::Code } else { Evidence::Wrong }, None));
    };
    let secret = seal.open_secret(sealed, &factor.factor)?;
    let step = secret.matching_step(code, now, core.policy.totp_skew).map_err(|_| SealError::Broken)?;
    let outdated = seal.is_outdated(sealed);
    let resealed =
        outdated.then(|| Ok::<_, Error>(seal.secret(&secret, &factor.factor, &mut core.rng()?)?));
    Ok((step.map_or(Evidence::Wrong, Evidence::Step), resealed.transpose()?))
}
