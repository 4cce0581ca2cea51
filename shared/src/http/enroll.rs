//! `POST /auth/factors/enroll` and `POST /user_management/users/{user_id}/auth_factors` (docs/CONTRACT.md §3.1, §3.5).

use super::call::Call;
use super::error::{Entity, Error};
use super::extract::{Body, PathId};
use super::recovery;
use super::routes::{CREATE_RECOVERY_CODES, ENROLL, ENROLL_FOR_USER};
use super::wire::{Answer, ChallengeBody, EnrollmentBody, FactorBody, TotpEnrollment, created};
use crate::core::Core;
use crate::domain::challenge::{Challenge, ChallengeCode};
use crate::domain::factor::{Credential, Factor, FactorName, FactorType};
use crate::domain::guard::Guard;
use crate::domain::id::{ChallengeId, FactorId};
use crate::domain::otpauth::{self, Label};
use crate::domain::phone::{Phone, PhoneError};
use crate::domain::policy::{IMPORTED_SECRET_BYTES, SHORT_SECRET, SecretBits};
use crate::domain::qr;
use crate::domain::totp::Secret;
use crate::domain::user::UserId;
use crate::vault::keyring::Keyring;
use axum::Router;

/// The routes of the enroll function.
pub fn router(core: Core, keyring: Keyring) -> Router {
    let recovery = CREATE_RECOVERY_CODES.to(recovery::create);
    let routes = ENROLL.to(enroll).merge(ENROLL_FOR_USER.to(enroll_for_user)).merge(recovery);
    routes.with_state((core, keyring))
}

async fn enroll(call: Call<Keyring>, Body(mut fields): Body) -> Result<Answer<FactorBody>, Error> {
    let user = fields.optional("user_id", UserId::parse);
    let name = fields.optional("name", FactorName::parse);
    let factor_type = fields.required("type", FactorType::parse);
    let credential = match factor_type {
        Some(FactorType::Totp) => {
            let issuer = fields.required("totp_issuer", Label::parse);
            let account = fields.required("totp_user", Label::parse);
            let (issuer, account) = fields.check(issuer.zip(account))?;
            Credential::Totp { issuer, account, secret: Secret::random(&mut call.core.rng()?) }
        }
        Some(FactorType::Sms) => {
            let number = fields.required_text("phone_number");
            Credential::Sms { phone: phone(&call.core, &fields.check(number)?)? }
        }
        Some(FactorType::GenericOtp) | None => {
            fields.check(factor_type)?;
            Credential::GenericOtp
        }
    };
    let (factor, enrollment) = new_factor(&call, Owner { user, name }, credential).await?;
    call.trail.factor(&factor);
    call.core.store.enroll(&factor).await?;
    Ok(created(FactorBody::enrolled(&factor.summary(), enrollment)))
}

async fn enroll_for_user(
    call: Call<Keyring>,
    PathId(user): PathId,
    Body(mut fields): Body,
) -> Result<Answer<EnrollmentBody>, Error> {
    let user = UserId::parse(&user).map_err(|_| Error::not_found(Entity::User, &user))?;
    let only_type = fields.required("type", only_totp);
    // Missing labels default to the environment's tag and the user ID.
    let issuer = fields.optional("totp_issuer", Label::parse);
    let issuer = issuer.or_else(|| Label::parse(call.caller.environment.tag.as_str()).ok());
    let account = fields.optional("totp_user", Label::parse);
    let account = account.or_else(|| Some(Label::from_user_id(&user)));
    let imported =
        fields.optional("totp_secret", |text| imported_secret(text, call.core.policy.totp_import_min));
    let name = fields.optional("name", FactorName::parse);
    let (issuer, account) = fields.check(only_type.and(issuer.zip(account)))?;

    if imported.as_ref().is_some_and(|secret| secret.bits() < SHORT_SECRET) {
        call.trail.short_secret();
    }
    let secret = imported.map_or_else(|| call.core.rng().map(|mut rng| Secret::random(&mut rng)), Ok)?;
    let credential = Credential::Totp { issuer, account, secret };
    let owner = Owner { user: Some(user), name };
    let (factor, enrollment) = new_factor(&call, owner, credential).await?;
    call.trail.factor(&factor);
    let id = ChallengeId::new(factor.created_at, &mut call.core.rng()?);
    let challenge = Challenge::new(&factor, id, ChallengeCode::Computed, factor.created_at);
    call.trail.challenge(&challenge);
    // The challenge is written first: without its factor it simply expires, whereas a factor without its challenge
    // would be incomplete.
    call.core.store.open_challenge(&challenge).await?;
    call.core.store.enroll(&factor).await?;
    Ok(created(EnrollmentBody {
        authentication_factor: FactorBody::enrolled(&factor.summary(), enrollment),
        authentication_challenge: ChallengeBody::new(&challenge, None),
    }))
}

/// Whose factor it is, and what they call it.
struct Owner {
    user: Option<UserId>,
    name: Option<FactorName>,
}

/// A new factor, and the enrollment data that is shown once.
async fn new_factor(
    call: &Call<Keyring>,
    Owner { user, name }: Owner,
    credential: Credential<Secret>,
) -> Result<(Factor, Option<TotpEnrollment>), Error> {
    let (created_at, mut rng) = (call.core.now(), call.core.rng()?);
    let (id, environment) = (FactorId::new(created_at, &mut rng), call.caller.environment.id);
    let (credential, enrollment) = match credential {
        Credential::Totp { issuer, account, secret } => {
            let sealed = call.seal().await?.secret(&secret, id, &mut rng)?;
            let shown = totp_enrollment(&issuer, &account, &secret)?;
            (Credential::Totp { issuer, account, secret: sealed }, Some(shown))
        }
        Credential::Sms { phone } => (Credential::Sms { phone }, None),
        Credential::GenericOtp => (Credential::GenericOtp, None),
    };
    let guard = Guard::default();
    Ok((Factor { id, environment, created_at, user, name, credential, guard }, enrollment))
}

fn totp_enrollment(issuer: &Label, account: &Label, secret: &Secret) -> Result<TotpEnrollment, Error> {
    let uri = otpauth::uri(issuer, account, secret);
    // The longest labels fit, so this cannot fail because of the request.
    let qr_code = qr::data_uri(&uri).map_err(Error::internal)?;
    Ok(TotpEnrollment { qr_code, secret: secret.to_base32(), uri })
}

fn phone(core: &Core, number: &str) -> Result<Phone, Error> {
    let phone = Phone::parse(number).map_err(|error| match error {
        PhoneError::Invalid => Error::InvalidPhone(number.to_owned()),
        PhoneError::NotSupported => Error::PhoneNotSupported,
    })?;
    if core.policy.sms_countries.allow(phone.country()) { Ok(phone) } else { Err(Error::PhoneNotSupported) }
}

/// A secret that the application imports. The rule is the same for every reason, as in docs/openapi.yaml.
fn imported_secret(text: &str, min: SecretBits) -> Result<Secret, String> {
    let rule = |_| {
        let (least, most) = (min.to_bytes(), IMPORTED_SECRET_BYTES.end());
        format!("must be Base32 of {least} to {most} bytes that are not all the same")
    };
    Secret::import_base32(text, min).map_err(rule)
}

fn only_totp(text: &str) -> Result<(), &'static str> {
    if text == "totp" { Ok(()) } else { Err("must be totp") }
}
