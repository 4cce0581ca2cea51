//! `POST /auth/factors/{id}/challenge` and, for old SDKs, `POST /auth/factors/challenge` (contract §3.3).

use super::error::{Entity, Error};
use super::extract::{Body, Fields, PathId};
use super::wire::{ChallengeBody, Json, created};
use crate::core::Core;
use crate::domain::challenge::Challenge;
use crate::domain::code::Code;
use crate::domain::environment::Environment;
use crate::domain::factor::{Guarded, Kind};
use crate::domain::id::{ChallengeId, FactorId};
use crate::domain::sms_text::SmsTemplate;
use crate::sms::Sms;
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
    environment: Environment,
    PathId(id): PathId,
    Body(fields): Body,
) -> Result<Json<ChallengeBody>, Error> {
    open(&sender, &environment, &id, fields).await
}

async fn challenge_by_body(
    State(sender): State<Sender>,
    environment: Environment,
    Body(mut fields): Body,
) -> Result<Json<ChallengeBody>, Error> {
    let id = fields.required_text("authentication_factor_id");
    let id = fields.check(id)?;
    open(&sender, &environment, &id, fields).await
}

async fn open(
    Sender { core, sms }: &Sender,
    environment: &Environment,
    given: &str,
    mut fields: Fields,
) -> Result<Json<ChallengeBody>, Error> {
    let unknown = || Error::not_found(Entity::Factor, given);
    let id = FactorId::parse(given).map_err(|_| unknown())?;
    let Guarded { factor, guard, .. } = core.store.factor(environment.id, id).await?.ok_or_else(unknown)?;

    let (now, mut rng) = (core.now(), core.rng()?);
    guard.accepts_challenges(now)?;
    let id = ChallengeId::new(now, &mut rng);
    let code = Code::random(&mut rng);
    let (kept, shown, message) = match &factor.kind {
        Kind::Totp { .. } => (None, None, None),
        Kind::GenericOtp => (Some(core.seal.code(&code, &factor, id)?), Some(&code), None),
        Kind::Sms { phone } => {
            let template = fields.optional("sms_template", SmsTemplate::parse);
            let template = fields.check(Some(template))?.unwrap_or_else(|| sms.template().clone());
            if !core.policy.sms_countries.allow(phone.country()) {
                return Err(Error::PhoneNotSupported);
            }
            (Some(core.seal.code(&code, &factor, id)?), None, Some((phone, template.with(&code))))
        }
    };
    let challenge = Challenge::of(&factor, id, kept, now);
    // Durable first: no message may carry a code that cannot be verified (FLT-08).
    core.store.open_challenge(&challenge).await?;
    if let Some((phone, text)) = message {
        sms.send(phone, &text).await.map_err(|error| Error::not_sent(error, phone))?;
    }
    Ok(created(ChallengeBody::of(&challenge, shown)))
}
