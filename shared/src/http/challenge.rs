//! `POST /auth/factors/{id}/challenge` and, for old SDKs, `POST /auth/factors/challenge` (docs/CONTRACT.md §3.3).

mod sms;

pub use sms::MAX_LOG_WRITE_TRIES;

use super::call::Call;
use super::error::{Entity, Error};
use super::extract::{Body, Fields, IdempotencyKey, PathId};
use super::routes::{CHALLENGE, CHALLENGE_BY_BODY};
use super::wire::{Answer, ChallengeBody, created};
use crate::core::Core;
use crate::domain::challenge::{Challenge, ChallengeCode};
use crate::domain::code::Code;
use crate::domain::factor::{Credential, Factor};
use crate::domain::id::{ChallengeId, FactorId};
use crate::sms::Sms;
use crate::vault::keyring::Keyring;
use crate::vault::seal::Seal;
use axum::Router;

/// The routes of the challenge function, the only one that can send messages.
pub fn router(core: Core, keyring: Keyring, sms: Sms) -> Router {
    let routes = CHALLENGE.to(challenge).merge(CHALLENGE_BY_BODY.to(challenge_by_body));
    routes.with_state((core, ChallengeServices { keyring, sms }))
}

/// The services that only this function has.
#[derive(Clone)]
struct ChallengeServices {
    keyring: Keyring,
    sms: Sms,
}

impl AsRef<Keyring> for ChallengeServices {
    fn as_ref(&self) -> &Keyring {
        &self.keyring
    }
}

async fn challenge(
    call: Call<ChallengeServices>,
    PathId(id): PathId,
    IdempotencyKey(key): IdempotencyKey,
    Body(fields): Body,
) -> Result<Answer<ChallengeBody>, Error> {
    challenge_factor(&call, &id, key, fields).await
}

async fn challenge_by_body(
    call: Call<ChallengeServices>,
    IdempotencyKey(key): IdempotencyKey,
    Body(mut fields): Body,
) -> Result<Answer<ChallengeBody>, Error> {
    let id = fields.required_text("authentication_factor_id");
    let id = fields.check(id)?;
    challenge_factor(&call, &id, key, fields).await
}

async fn challenge_factor(
    call: &Call<ChallengeServices>,
    given: &str,
    key: Option<String>,
    fields: Fields,
) -> Result<Answer<ChallengeBody>, Error> {
    let core = &call.core;
    let unknown = || Error::not_found(Entity::Factor, given);
    let id = FactorId::parse(given).map_err(|_| unknown())?;
    let factor = core.store.factor(call.caller.environment.id, id).await?.ok_or_else(unknown)?;
    call.trail.factor(&factor);
    factor.guard.accepts_challenges(core.now())?;
    let (challenge, shown) = match &factor.credential {
        Credential::Totp { .. } => {
            let challenge = Challenge::new(&factor, new_id(core)?, ChallengeCode::Computed, core.now());
            core.store.open_challenge(&challenge).await?;
            (challenge, None)
        }
        Credential::GenericOtp => {
            let (challenge, code) = new_challenge(core, &*call.seal().await?, &factor)?;
            core.store.open_challenge(&challenge).await?;
            (challenge, Some(code))
        }
        Credential::Sms { phone } => {
            let request = sms::SmsRequest { factor: &factor, phone, idempotency_key: key.as_deref() };
            (sms::challenge(call, request, fields).await?, None)
        }
    };
    call.trail.challenge(&challenge);
    Ok(created(ChallengeBody::new(&challenge, shown.as_ref())))
}

/// A new challenge and its random code.
fn new_challenge(core: &Core, seal: &Seal, factor: &Factor) -> Result<(Challenge, Code), Error> {
    let id = new_id(core)?;
    let code = Code::random(&mut core.rng()?);
    let mac = seal.code(&code, factor.id, id)?;
    Ok((Challenge::new(factor, id, ChallengeCode::Sent(mac), core.now()), code))
}

fn new_id(core: &Core) -> Result<ChallengeId, Error> {
    Ok(ChallengeId::new(core.now(), &mut core.rng()?))
}
