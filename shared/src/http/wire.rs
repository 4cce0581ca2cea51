//! Response bodies (docs/CONTRACT.md §3): absent fields are omitted, timestamps have three fraction digits and `Z`.

use crate::domain::challenge::Challenge;
use crate::domain::code::Code;
use crate::domain::factor::{Credential, Factor, FactorSummary};
use crate::domain::recovery::{RecoveryCode, RecoveryCodes};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use zeroize::Zeroizing;

/// A JSON response.
pub(super) struct Answer<T>(pub(super) StatusCode, pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
        // Serialization cannot fail, because all bodies are structs of strings.
        serde_json::to_vec(&self.1).map_or_else(
            |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            |body| (self.0, [(CONTENT_TYPE, JSON)], body).into_response(),
        )
    }
}

/// A 201 response, as for every successful POST.
pub(super) fn created<T: Serialize>(body: T) -> Answer<T> {
    Answer(StatusCode::CREATED, body)
}

/// A factor.
#[derive(Serialize)]
pub(super) struct FactorBody {
    object: &'static str,
    id: String,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    totp: Option<TotpBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms: Option<SmsBody>,
}

#[derive(Serialize)]
struct TotpBody {
    issuer: String,
    user: String,
    #[serde(flatten)]
    enrollment: Option<TotpEnrollment>,
}

/// The secret of a TOTP factor, shown once at enrollment (OTP-13).
#[derive(Serialize)]
pub(super) struct TotpEnrollment {
    /// The otpauth URI as an image.
    #[serde(serialize_with = "exposed")]
    pub(super) qr_code: Zeroizing<String>,
    /// The secret in Base32.
    #[serde(serialize_with = "exposed")]
    pub(super) secret: Zeroizing<String>,
    /// The otpauth URI.
    #[serde(serialize_with = "exposed")]
    pub(super) uri: Zeroizing<String>,
}

#[derive(Serialize)]
struct SmsBody {
    phone_number: String,
}

/// A challenge. `code` is present only for `generic_otp` (OTP-12).
#[derive(Serialize)]
pub(super) struct ChallengeBody {
    object: &'static str,
    id: String,
    created_at: String,
    updated_at: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    authentication_factor_id: String,
}

/// The response of a verify.
#[derive(Serialize)]
pub(super) struct VerificationBody {
    pub(super) challenge: ChallengeBody,
    pub(super) valid: bool,
    /// Present only if the code was a recovery code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovery_codes: Option<RecoveryCodesLeft>,
}

/// How many recovery codes are left.
#[derive(Serialize)]
pub(super) struct RecoveryCodesLeft {
    pub(super) remaining: usize,
}

/// A user's recovery codes. `codes` is present only when they are created.
#[derive(Serialize)]
pub(super) struct RecoveryCodesBody {
    object: &'static str,
    user_id: String,
    total: usize,
    remaining: usize,
    accept_on_challenges: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    codes: Option<Vec<Shown>>,
    created_at: String,
    updated_at: String,
}

/// The response of a verify of a recovery code without a challenge.
#[derive(Serialize)]
pub(super) struct RecoveryVerificationBody {
    pub(super) valid: bool,
    pub(super) remaining: usize,
}

/// A recovery code in the response that shows it.
struct Shown(Zeroizing<String>);

/// A factor and its first challenge, created together.
#[derive(Serialize)]
pub(super) struct EnrollmentBody {
    pub(super) authentication_factor: FactorBody,
    pub(super) authentication_challenge: ChallengeBody,
}

/// A page of factors.
#[derive(Serialize)]
pub(super) struct ListBody {
    pub(super) object: &'static str,
    pub(super) data: Vec<FactorBody>,
    pub(super) list_metadata: ListMetadata,
}

/// Cursors of the previous and next page; `null` if there is none.
#[derive(Serialize)]
pub(super) struct ListMetadata {
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl FactorBody {
    /// A factor as in a list.
    pub(super) fn new(factor: &FactorSummary) -> Self {
        Self::enrolled(factor, None)
    }

    /// A factor as in the response of a get, which also shows when it was last verified.
    pub(super) fn read(factor: &Factor) -> Self {
        let last_used_at = factor.guard.last_used_at.map(|time| time.to_string());
        Self { last_used_at, ..Self::new(&factor.summary()) }
    }

    /// A factor as in the response of its enrollment.
    pub(super) fn enrolled(factor: &FactorSummary, enrollment: Option<TotpEnrollment>) -> Self {
        let (totp, sms) = match &factor.credential {
            Credential::Totp { issuer, account, secret: () } => {
                (Some(TotpBody { issuer: issuer.to_string(), user: account.to_string(), enrollment }), None)
            }
            Credential::Sms { phone } => (None, Some(SmsBody { phone_number: phone.as_str().to_owned() })),
            Credential::GenericOtp => (None, None),
        };
        Self {
            object: "authentication_factor",
            id: factor.id.to_string(),
            created_at: factor.created_at.to_string(),
            updated_at: factor.created_at.to_string(),
            user_id: factor.user.as_ref().map(ToString::to_string),
            name: factor.name.as_ref().map(|name| name.as_str().to_owned()),
            last_used_at: None,
            r#type: factor.credential.factor_type().name(),
            totp,
            sms,
        }
    }
}

impl ChallengeBody {
    /// A challenge, with its code if the application delivers it.
    pub(super) fn new(challenge: &Challenge, code: Option<&Code>) -> Self {
        Self {
            object: "authentication_challenge",
            id: challenge.id.to_string(),
            created_at: challenge.created_at.to_string(),
            updated_at: challenge.created_at.to_string(),
            expires_at: challenge.expires_at.to_string(),
            code: code.map(|code| code.expose().to_owned()),
            authentication_factor_id: challenge.factor.to_string(),
        }
    }
}

impl RecoveryCodesBody {
    /// A set, with its codes if it is new.
    pub(super) fn new(set: &RecoveryCodes, codes: Option<&[RecoveryCode]>) -> Self {
        Self {
            object: "recovery_codes",
            user_id: set.user.to_string(),
            total: set.total,
            remaining: set.codes.len(),
            accept_on_challenges: set.accept_on_challenges,
            codes: codes.map(|codes| codes.iter().map(|code| Shown(code.shown())).collect()),
            created_at: set.created_at.to_string(),
            updated_at: set.guard.last_used_at.unwrap_or(set.created_at).to_string(),
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        exposed(&self.0, serializer)
    }
}

fn exposed<S: serde::Serializer>(secret: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}
