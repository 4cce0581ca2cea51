//! `POST /auth/challenges/{id}/verify` and, for old SDKs, `POST /auth/factors/verify` (docs/CONTRACT.md §3.4).
//!
//! A verdict is returned only after the guard that records it has been written.

use super::call::Call;
use super::error::{Entity, Error};
use super::extract::{Body, Fields, PathId};
use super::recovery;
use super::routes::{VERIFY, VERIFY_BY_BODY, VERIFY_RECOVERY_CODE};
use super::wire::{Answer, ChallengeBody, RecoveryCodesLeft, VerificationBody, created};
use crate::core::Core;
use crate::domain::challenge::{Challenge, ChallengeCode};
use crate::domain::code::Code;
use crate::domain::factor::{Credential, Factor, FactorType};
use crate::domain::guard::{Evidence, Verdict};
use crate::domain::id::{AttemptId, ChallengeId};
use crate::domain::recovery::RecoveryCode;
use crate::domain::time::Timestamp;
use crate::store::{Decision, DecisionOutcome, Seen};
use crate::vault::keyring::Keyring;
use crate::vault::seal::SealError;
use axum::Router;

/// The routes of the verify function.
pub fn router(core: Core, keyring: Keyring) -> Router {
    let routes = VERIFY.to(verify).merge(VERIFY_BY_BODY.to(verify_by_body));
    routes.merge(VERIFY_RECOVERY_CODE.to(recovery::verify)).with_state((core, keyring))
}

async fn verify(
    call: Call<Keyring>,
    PathId(id): PathId,
    Body(mut fields): Body,
) -> Result<Answer<VerificationBody>, Error> {
    let code = fields.required_text("code");
    fields.check(code)?;
    verify_challenge(&call, &id, fields).await
}

async fn verify_by_body(
    call: Call<Keyring>,
    Body(mut fields): Body,
) -> Result<Answer<VerificationBody>, Error> {
    let id = fields.required_text("authentication_challenge_id");
    let code = fields.required_text("code");
    let (id, _) = fields.check(id.zip(code))?;
    verify_challenge(&call, &id, fields).await
}

async fn verify_challenge(
    call: &Call<Keyring>,
    given: &str,
    mut fields: Fields,
) -> Result<Answer<VerificationBody>, Error> {
    let unknown = || Error::not_found(Entity::Challenge, given);
    let (store, environment) = (&call.core.store, call.caller.environment.id);
    let id = ChallengeId::parse(given).map_err(|_| unknown())?;
    let mut challenge = store.challenge(environment, id).await?.ok_or_else(unknown)?;
    call.trail.challenge(&challenge);
    // No code of a factor has the form of a recovery code.
    if let Some(code) = fields.matching("code", RecoveryCode::parse)
        && let Some((verdict, remaining)) = recovery::verify_at(call, &challenge, &code).await?
    {
        let (challenge, valid) = (ChallengeBody::new(&challenge, None), verdict == Verdict::Valid);
        let recovery_codes = Some(RecoveryCodesLeft { remaining });
        return Ok(created(VerificationBody { challenge, valid, recovery_codes }));
    }
    let seen = match challenge.snapshot.take() {
        Some(snapshot) => Seen::Snapshot(*snapshot),
        None => Seen::Read(store.factor(environment, challenge.factor).await?.ok_or_else(unknown)?),
    };
    let (Seen::Snapshot(factor) | Seen::Read(factor)) = &seen;
    call.trail.factor(factor);
    let factor_type = factor.credential.factor_type();
    let code = match factor_type {
        FactorType::Totp | FactorType::Sms | FactorType::GenericOtp => fields.required("code", Code::parse),
    };
    let code = fields.check(code)?;
    let attempt = AttemptId::new(call.core.now(), &mut call.core.rng()?);
    let guess = Guess { call, challenge: &challenge, code: &code, attempt };
    let (verdict, guard) = match store.decide(seen, &guess).await? {
        DecisionOutcome::Written(verdict, factor) => (verdict, factor.guard),
        DecisionOutcome::Deleted => return Err(unknown()),
        DecisionOutcome::Contended => return Err(Error::busy()),
    };
    call.trail.verdict(verdict, guard.accepts_challenges(call.core.now()).err());
    let valid = verdict == Verdict::Valid;
    // Only a MAC of the code is stored, so the code can be returned only to a caller who has just sent it.
    let shown = match factor_type {
        FactorType::GenericOtp => Some(&code).filter(|_| valid),
        FactorType::Totp | FactorType::Sms => None,
    };
    let challenge = ChallengeBody::new(&challenge, shown);
    Ok(created(VerificationBody { challenge, valid, recovery_codes: None }))
}

/// A guess at a challenge.
struct Guess<'a> {
    call: &'a Call<Keyring>,
    challenge: &'a Challenge,
    code: &'a Code,
    attempt: AttemptId,
}

impl Decision for Guess<'_> {
    type Record = Factor;
    type Outcome = Verdict;
    type Error = Error;

    async fn decide(&self, mut factor: Factor) -> Result<(Verdict, Factor), Error> {
        let now = self.call.core.now();
        let admission = factor.guard.admit(self.challenge, now);
        let admission = admission.map_err(|refusal| Error::refused(self.challenge.id, refusal))?;
        let evidence = self.examine(&factor, now).await?;
        let (verdict, guard) = admission.judge(evidence, self.attempt);
        factor.guard = guard;
        Ok((verdict, factor))
    }

    fn recorded(&self, factor: &Factor) -> Option<Verdict> {
        factor.guard.verdict_on(self.challenge.id, self.attempt)
    }
}

impl Guess<'_> {
    /// Checks the code against the factor's secret or the challenge's MAC.
    async fn examine(&self, factor: &Factor, now: Timestamp) -> Result<Evidence, Error> {
        let Self { call, challenge, code, .. } = *self;
        let seal = call.seal().await?;
        match (&factor.credential, &challenge.code) {
            (Credential::Totp { secret, .. }, _) => {
                let secret = seal.open_secret(secret, factor.id)?;
                let step = secret.matching_step(code, now, call.core.policy.totp_skew);
                Ok(step.map_err(|_| SealError::CannotOpen)?.map_or(Evidence::Wrong, Evidence::Step))
            }
            (Credential::Sms { .. } | Credential::GenericOtp, ChallengeCode::Sent(mac)) => {
                let matches = seal.code_matches(code, mac, (factor.id, challenge.id))?;
                Ok(if matches { Evidence::Code } else { Evidence::Wrong })
            }
            (Credential::Sms { .. } | Credential::GenericOtp, ChallengeCode::Computed) => {
                Err(SealError::CannotOpen.into())
            }
        }
    }
}
