//! `POST /auth/factors/{id}/challenge` and, for old SDKs, `POST /auth/factors/challenge` (contract §3.3).

mod sms;

use super::audit::Trail;
use super::auth::Verifier;
use super::error::{Entity, Error};
use super::extract::{Body, Fields, IdempotencyKey, PathId};
use super::wire::{ChallengeBody, Json, created};
use crate::core::{Caller, Core};
use crate::domain::challenge::{Challenge, ChallengeCode};
use crate::domain::code::Code;
use crate::domain::factor::{Credential, Factor};
use crate::domain::id::{ChallengeId, FactorId};
use crate::sms::Sms;
use crate::vault::seal::Seal;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::post;

/// The routes of the challenge function, the only one that can send messages.
pub fn router(core: Core, sms: Sms) -> Router {
    Router::new()
        .route("/auth/factors/{id}/challenge", post(challenge))
        .route("/auth/factors/challenge", post(challenge_by_body))
        .with_state(Sender { core, sms })
}

/// A core that can send messages.
#[derive(Clone)]
struct Sender {
    core: Core,
    sms: Sms,
}

impl FromRef<Sender> for Core {
    fn from_ref(sender: &Sender) -> Self {
        sender.core.clone()
    }
}

async fn challenge(
    State(sender): State<Sender>,
    Verifier(caller): Verifier,
    trail: Trail,
    PathId(id): PathId,
    key: IdempotencyKey,
    Body(fields): Body,
) -> Result<Json<ChallengeBody>, Error> {
    open(&sender, &caller, &trail, &id, key, fields).await
}

async fn challenge_by_body(
    State(sender): State<Sender>,
    Verifier(caller): Verifier,
    trail: Trail,
    key: IdempotencyKey,
    Body(mut fields): Body,
) -> Result<Json<ChallengeBody>, Error> {
    let id = fields.required_text("authentication_factor_id");
    let id = fields.check(id)?;
    open(&sender, &caller, &trail, &id, key, fields).await
}

async fn open(
    sender: &Sender,
    caller: &Caller,
    trail: &Trail,
    given: &str,
    key: IdempotencyKey,
    fields: Fields,
) -> Result<Json<ChallengeBody>, Error> {
    let core = &sender.core;
    let unknown = || Error::not_found(Entity::Factor, given);
    let id = FactorId::parse(given).map_err(|_| unknown())?;
    let factor = core.store.factor(caller.environment.id, id).await?.ok_or_else(unknown)?;
    trail.factor(&factor);
    factor.guard.accepts_challenges(core.now())?;
    let (challenge, shown) = match &factor.credential {
        Credential::Totp { .. } => {
            let challenge = Challenge::of(&factor, new_id(core)?, ChallengeCode::Computed, core.now());
            core.store.open_challenge(&challenge).await?;
            (challenge, None)
        }
        Credential::GenericOtp => {
            let (challenge, code) = with_code(core, &*core.seal(caller).await?, &factor)?;
            core.store.open_challenge(&challenge).await?;
            (challenge, Some(code))
        }
        Credential::Sms { phone } => {
            (sms::challenge(sender, caller, trail, &factor, phone, key, fields).await?, None)
        }
    };
    trail.challenge(&challenge);
    Ok(created(ChallengeBody::of(&challenge, shown.as_ref())))
}

/// A new challenge with a code of its own.
fn with_code(core: &Core, seal: &Seal, factor: &Factor) -> Result<(Challenge, Code), Error> {
    let id = new_id(core)?;
    let code = Code::random(&mut core.rng()?);
    let kept = seal.code(&code, factor.id, id)?;
    Ok((Challenge::of(factor, id, ChallengeCode::Sent(kept), core.now()), code))
}

fn new_id(core: &Core) -> Result<ChallengeId, Error> {
    Ok(ChallengeId::new(core.now(), &mut core.rng()?))
}
