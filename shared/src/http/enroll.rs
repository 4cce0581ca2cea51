//! `POST /auth/factors/enroll` and `POST /user_management/users/{user_id}/auth_factors` (contract §3.1, §3.5).

use super::audit::Trail;
use super::auth::Manager;
use super::error::{Entity, Error};
use super::extract::{Body, PathId};
use super::wire::{ChallengeBody, EnrollmentBody, FactorBody, Json, TotpEnrollment, created};
use crate::core::{Caller, Core};
use crate::domain::challenge::Challenge;
use crate::domain::factor::{Factor, Guarded, Kind};
use crate::domain::guard::Guard;
use crate::domain::id::{ChallengeId, FactorId};
use crate::domain::otpauth::{self, Label};
use crate::domain::phone::{Phone, PhoneError};
use crate::domain::qr;
use crate::domain::totp::Secret;
use crate::domain::user::UserId;
use axum::Router;
use axum::extract::State;
use axum::routing::post;

/// The routes of the enroll function.
pub fn router(core: Core) -> Router {
    Router::new()
        .route("/auth/factors/enroll", post(enroll))
        .route("/user_management/users/{user_id}/auth_factors", post(enroll_for_user))
        .with_state(core)
}

/// What a factor can be enrolled as.
enum Type {
    Totp,
    Sms,
    GenericOtp,
}

async fn enroll(
    State(core): State<Core>,
    Manager(caller): Manager,
    trail: Trail,
    Body(mut fields): Body,
) -> Result<Json<FactorBody>, Error> {
    let user = fields.optional("user_id", UserId::parse);
    let (kind, secret) = match fields.required("type", any_type) {
        Some(Type::Totp) => {
            let issuer = fields.required("totp_issuer", Label::parse);
            let account = fields.required("totp_user", Label::parse);
            let (issuer, account) = fields.check(issuer.zip(account))?;
            (Kind::Totp { issuer, account }, Some(Secret::random(&mut core.rng()?)))
        }
        Some(Type::Sms) => {
            let number = fields.required_text("phone_number");
            (Kind::Sms { phone: phone(&core, &fields.check(number)?)? }, None)
        }
        named @ (Some(Type::GenericOtp) | None) => {
            fields.check(named)?;
            (Kind::GenericOtp, None)
        }
    };
    let (guarded, enrollment) = new_factor(&core, &caller, user, kind, secret.as_ref()).await?;
    trail.factor(&guarded.factor);
    core.store.enroll(&guarded).await?;
    Ok(created(FactorBody::enrolled(&guarded.factor, enrollment)))
}

async fn enroll_for_user(
    State(core): State<Core>,
    Manager(caller): Manager,
    trail: Trail,
    PathId(user): PathId,
    Body(mut fields): Body,
) -> Result<Json<EnrollmentBody>, Error> {
    let user = UserId::parse(&user).map_err(|_| Error::not_found(Entity::User, &user))?;
    let named = fields.required("type", only_totp);
    // Absent labels are named after the environment and the user, as far as a label can hold them.
    let issuer = fields.optional("totp_issuer", Label::parse);
    let issuer = issuer.or_else(|| Label::parse(caller.environment.tag.as_str()).ok());
    let account = fields.optional("totp_user", Label::parse);
    let account = account.or_else(|| Some(Label::of_user(&user)));
    let imported = fields.optional("totp_secret", Secret::from_base32);
    let (issuer, account) = fields.check(named.and(issuer.zip(account)))?;

    let kind = Kind::Totp { issuer, account };
    let secret = imported.map_or_else(|| core.rng().map(|mut rng| Secret::random(&mut rng)), Ok)?;
    let (guarded, enrollment) = new_factor(&core, &caller, Some(user), kind, Some(&secret)).await?;
    trail.factor(&guarded.factor);
    let now = guarded.factor.created_at;
    let challenge = Challenge::of(&guarded.factor, ChallengeId::new(now, &mut core.rng()?), None, now);
    trail.challenge(&challenge);
    // A challenge without its factor is garbage that expires; a factor without its challenge would be half an answer.
    core.store.open_challenge(&challenge).await?;
    core.store.enroll(&guarded).await?;
    Ok(created(EnrollmentBody {
        authentication_factor: FactorBody::enrolled(&guarded.factor, enrollment),
        authentication_challenge: ChallengeBody::of(&challenge, None),
    }))
}

async fn new_factor(
    core: &Core,
    caller: &Caller,
    user: Option<UserId>,
    kind: Kind,
    secret: Option<&Secret>,
) -> Result<(Guarded, Option<TotpEnrollment>), Error> {
    let (now, mut rng) = (core.now(), core.rng()?);
    let id = FactorId::new(now, &mut rng);
    let factor = Factor { id, environment: caller.environment.id, created_at: now, user, kind };
    let sealed = match secret {
        Some(secret) => Some(core.seal(caller).await?.secret(secret, &factor, &mut rng)?),
        None => None,
    };
    let enrollment = match (&factor.kind, secret) {
        (Kind::Totp { issuer, account }, Some(secret)) => Some(shown_once(issuer, account, secret)?),
        _ => None,
    };
    Ok((Guarded { factor, secret: sealed, guard: Guard::default() }, enrollment))
}

fn shown_once(issuer: &Label, account: &Label, secret: &Secret) -> Result<TotpEnrollment, Error> {
    let uri = otpauth::uri(issuer, account, secret);
    let qr_code = qr::data_uri(&uri).map_err(|_| Error::Invalid(Vec::new()))?;
    Ok(TotpEnrollment { qr_code, secret: secret.to_base32(), uri })
}

fn phone(core: &Core, number: &str) -> Result<Phone, Error> {
    let phone = Phone::parse(number).map_err(|error| match error {
        PhoneError::Invalid => Error::InvalidPhone(number.to_owned()),
        PhoneError::NotSupported => Error::PhoneNotSupported,
    })?;
    if core.policy.sms_countries.allow(phone.country()) { Ok(phone) } else { Err(Error::PhoneNotSupported) }
}

fn any_type(text: &str) -> Result<Type, &'static str> {
    match text {
        "totp" => Ok(Type::Totp),
        "sms" => Ok(Type::Sms),
        "generic_otp" => Ok(Type::GenericOtp),
        _ => Err("must be totp, sms or generic_otp"),
    }
}

fn only_totp(text: &str) -> Result<(), &'static str> {
    if text == "totp" { Ok(()) } else { Err("must be totp") }
}
