//! `POST /auth/challenges/{id}/verify` and, for old SDKs, `POST /auth/factors/verify` (contract §3.4).
//!
//! A verdict is told only after the guard that remembers it is written. A write that lost the race is decided again; a
//! write whose fate is unknown is settled by looking for its attempt.

use super::audit::Trail;
use super::auth::Verifier;
use super::error::{Entity, Error};
use super::extract::{Body, Fields, PathId};
use super::wire::{ChallengeBody, Json, VerificationBody, created};
use crate::core::{Caller, Core};
use crate::domain::challenge::{Challenge, ChallengeCode};
use crate::domain::code::Code;
use crate::domain::factor::{Credential, Factor, FactorType};
use crate::domain::guard::{Evidence, Guard, Verdict};
use crate::domain::id::{AttemptId, ChallengeId};
use crate::domain::policy::VERIFY_ROUNDS;
use crate::domain::time::Timestamp;
use crate::store::Settled;
use crate::vault::seal::{Seal, SealError};
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
    let code = fields.required_text("code");
    fields.check(code)?;
    answer(&core, &caller, &trail, &id, fields).await
}

async fn verify_by_body(
    State(core): State<Core>,
    Verifier(caller): Verifier,
    trail: Trail,
    Body(mut fields): Body,
) -> Result<Json<VerificationBody>, Error> {
    let id = fields.required_text("authentication_challenge_id");
    let code = fields.required_text("code");
    let (id, _) = fields.check(id.zip(code))?;
    answer(&core, &caller, &trail, &id, fields).await
}

async fn answer(
    core: &Core,
    caller: &Caller,
    trail: &Trail,
    given: &str,
    mut fields: Fields,
) -> Result<Json<VerificationBody>, Error> {
    let unknown = || Error::not_found(Entity::Challenge, given);
    let (environment, id) = (caller.environment.id, ChallengeId::parse(given).map_err(|_| unknown())?);
    let challenge = core.store.challenge(environment, id).await?.ok_or_else(unknown)?;
    trail.challenge(&challenge);
    let factor = core.store.factor(environment, challenge.factor).await?.ok_or_else(unknown)?;
    trail.factor(&factor);
    let factor_type = factor.credential.factor_type();
    let code = match factor_type {
        FactorType::Totp | FactorType::Sms | FactorType::GenericOtp => fields.required("code", Code::parse),
    };
    let code = fields.check(code)?;
    let (verdict, guard) = settle(core, caller, factor, &challenge, &code).await?;
    trail.verdict(verdict, guard.accepts_challenges(core.now()).err());
    let valid = verdict == Verdict::Valid;
    // Only a MAC of the code is kept, so it can be shown again only to the caller who just gave it.
    let shown = Some(&code).filter(|_| valid && factor_type == FactorType::GenericOtp);
    Ok(created(VerificationBody { challenge: ChallengeBody::of(&challenge, shown), valid }))
}

/// Decides and writes, until a write holds the verdict: the verdict, and the guard that remembers it.
async fn settle(
    core: &Core,
    caller: &Caller,
    mut factor: Factor,
    challenge: &Challenge,
    code: &Code,
) -> Result<(Verdict, Guard), Error> {
    let attempt = AttemptId::new(core.now(), &mut core.rng()?);
    let told = |guard: &Guard| Some((guard.verdict_on(challenge.id, attempt)?, guard.clone()));
    for _ in 0..VERIFY_ROUNDS {
        let now = core.now();
        let admission =
            factor.guard.admit(challenge, now).map_err(|refusal| Error::refused(challenge.id, refusal))?;
        let evidence = examine(core, &*core.seal(caller).await?, &factor, challenge, code, now)?;
        let (verdict, next) = admission.judge(evidence, attempt);
        factor = match core.store.settle(&factor, &next).await? {
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

/// What the code turns out to be: a TOTP step's, this challenge's, or neither.
fn examine(
    core: &Core,
    seal: &Seal,
    factor: &Factor,
    challenge: &Challenge,
    code: &Code,
    now: Timestamp,
) -> Result<Evidence, Error> {
    match (&factor.credential, &challenge.code) {
        (Credential::Totp { secret, .. }, _) => {
            let secret = seal.open_secret(secret, factor.id)?;
            let step = secret.matching_step(code, now, core.policy.totp_skew);
            Ok(step.map_err(|_| SealError::Broken)?.map_or(Evidence::Wrong, Evidence::Step))
        }
        (Credential::Sms { .. } | Credential::GenericOtp, ChallengeCode::Sent(kept)) => {
            let matches = seal.code_matches(code, kept, factor.id, challenge.id)?;
            Ok(if matches { Evidence::Code } else { Evidence::Wrong })
        }
        (Credential::Sms { .. } | Credential::GenericOtp, ChallengeCode::Computed) => {
            Err(SealError::Broken.into())
        }
    }
}
