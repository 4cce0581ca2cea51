//! `POST /auth/challenges/{id}/verify` and, for old SDKs, `POST /auth/factors/verify` (contract §3.4).
//!
//! A verdict is told only after the guard that remembers it is written. A write that lost the race is decided again; a
//! write whose fate is unknown is settled by looking for its attempt.

use super::error::{Entity, Error};
use super::extract::{Body, PathId};
use super::wire::{ChallengeBody, Json, VerificationBody, created};
use crate::core::Core;
use crate::domain::challenge::Challenge;
use crate::domain::code::Code;
use crate::domain::environment::Environment;
use crate::domain::factor::{Guarded, Kind};
use crate::domain::guard::{Evidence, Verdict};
use crate::domain::id::{AttemptId, ChallengeId};
use crate::domain::policy::VERIFY_ROUNDS;
use crate::domain::time::Timestamp;
use crate::seal::SealError;
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
    environment: Environment,
    PathId(id): PathId,
    Body(mut fields): Body,
) -> Result<Json<VerificationBody>, Error> {
    let code = fields.required("code", Code::parse);
    answer(&core, &environment, &id, &fields.check(code)?).await
}

async fn verify_by_body(
    State(core): State<Core>,
    environment: Environment,
    Body(mut fields): Body,
) -> Result<Json<VerificationBody>, Error> {
    let id = fields.required_text("authentication_challenge_id");
    let code = fields.required("code", Code::parse);
    let (id, code) = fields.check(id.zip(code))?;
    answer(&core, &environment, &id, &code).await
}

async fn answer(
    core: &Core,
    environment: &Environment,
    given: &str,
    code: &Code,
) -> Result<Json<VerificationBody>, Error> {
    let unknown = || Error::not_found(Entity::Challenge, given);
    let id = ChallengeId::parse(given).map_err(|_| unknown())?;
    let challenge = core.store.challenge(environment.id, id).await?.ok_or_else(unknown)?;
    let factor = core.store.factor(environment.id, challenge.factor).await?.ok_or_else(unknown)?;
    let generic = factor.factor.kind == Kind::GenericOtp;
    let valid = settle(core, factor, &challenge, code).await? == Verdict::Valid;
    // Only a MAC of the code is kept, so it can be shown again only to whoever just gave it.
    let shown = (valid && generic).then_some(code);
    Ok(created(VerificationBody { challenge: ChallengeBody::of(&challenge, shown), valid }))
}

/// Decides and writes, until a write holds the verdict.
async fn settle(
    core: &Core,
    mut factor: Guarded,
    challenge: &Challenge,
    code: &Code,
) -> Result<Verdict, Error> {
    let attempt = AttemptId::new(core.now(), &mut core.rng()?);
    let told = |factor: &Guarded| factor.guard.verdict_on(challenge.id, attempt);
    for _ in 0..VERIFY_ROUNDS {
        let now = core.now();
        let admission =
            factor.guard.admit(challenge, now).map_err(|refusal| Error::refused(challenge.id, refusal))?;
        let (verdict, next) = admission.judge(examine(core, &factor, challenge, code, now)?, attempt);
        factor = match core.store.settle(&factor, &next).await? {
            Settled::Written => return Ok(verdict),
            Settled::Unknown(current, cause) => {
                return current.and_then(|factor| told(&factor)).ok_or(cause.into());
            }
            Settled::Changed(None) => {
                return Err(Error::not_found(Entity::Challenge, &challenge.id.to_string()));
            }
            Settled::Changed(Some(current)) => *current,
        };
        if let Some(verdict) = told(&factor) {
            return Ok(verdict);
        }
    }
    Err(Error::busy())
}

/// What the code turns out to be: a TOTP step's, this challenge's, or neither.
fn examine(
    core: &Core,
    factor: &Guarded,
    challenge: &Challenge,
    code: &Code,
    now: Timestamp,
) -> Result<Evidence, Error> {
    let evidence = match &factor.secret {
        Some(sealed) => {
            let secret = core.seal.open_secret(sealed, &factor.factor)?;
            let step =
                secret.matching_step(code, now, core.policy.totp_skew).map_err(|_| SealError::Broken)?;
            step.map(Evidence::Step)
        }
        None => core.seal.code_matches(code, &factor.factor, challenge)?.then_some(Evidence::Code),
    };
    Ok(evidence.unwrap_or(Evidence::Wrong))
}
