//! `POST /auth/challenges/{id}/verify` and, for old SDKs, `POST /auth/factors/verify` (contract §3.4).
//!
//! A verdict is told only after the guard that remembers it is written. A write that lost the race is decided again; a
//! write whose fate is unknown is settled by looking for its attempt.

use super::audit::Trail;
use super::auth::Verifier;
use super::error::{Entity, Error};
use super::extract::{Body, PathId};
use super::wire::{ChallengeBody, Json, VerificationBody, created};
use crate::core::{Caller, Core};
use crate::domain::challenge::Challenge;
use crate::domain::code::Code;
use crate::domain::factor::{Guarded, Kind, Sealed};
use crate::domain::guard::{Evidence, Guard, Verdict};
use crate::domain::id::{AttemptId, ChallengeId};
use crate::domain::policy::VERIFY_ROUNDS;
use crate::domain::time::Timestamp;
use crate::seal::{Seal, SealError};
use crate::store::Settled;
use axum::Router;
use axum::extract::State;
use axum::routing::post;

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
    trail: Trail,
    PathId(id): PathId,
    Body(mut fields): Body,
) -> Result<Json<VerificationBody>, Error> {
    let code = fields.required("code", Code::parse);
    answer(&core, &caller, &trail, &id, &fields.check(code)?).await
}

async fn verify_by_body(
    State(core): State<Core>,
    Verifier(caller): Verifier,
    trail: Trail,
    Body(mut fields): Body,
) -> Result<Json<VerificationBody>, Error> {
    let id = fields.required_text("authentication_challenge_id");
    let code = fields.required("code", Code::parse);
    let (id, code) = fields.check(id.zip(code))?;
    answer(&core, &caller, &trail, &id, &code).await
}

async fn answer(
    core: &Core,
    caller: &Caller,
    trail: &Trail,
    given: &str,
    code: &Code,
) -> Result<Json<VerificationBody>, Error> {
    let unknown = || Error::not_found(Entity::Challenge, given);
    let (environment, id) = (caller.environment.id, ChallengeId::parse(given).map_err(|_| unknown())?);
    let challenge = core.store.challenge(environment, id).await?.ok_or_else(unknown)?;
    trail.challenge(&challenge);
    let factor = core.store.factor(environment, challenge.factor).await?.ok_or_else(unknown)?;
    trail.factor(&factor.factor);
    let generic = factor.factor.kind == Kind::GenericOtp;
    let (verdict, guard) = settle(core, caller, factor, &challenge, code).await?;
    trail.verdict(verdict, guard.accepts_challenges(core.now()).err());
    let valid = verdict == Verdict::Valid;
    // Only a MAC of the code is kept, so it can be shown again only to whoever just gave it.
    let shown = (valid && generic).then_some(code);
    Ok(created(VerificationBody { challenge: ChallengeBody::of(&challenge, shown), valid }))
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
