//! The methods of each version, under one set of names.

/// What a version's own type of a factor has; an absent field is empty.
#[derive(Default)]
pub struct Factor {
    pub id: String,
    pub is_totp: bool,
    pub issuer: String,
    pub secret: String,
    pub qr_code: String,
    pub uri: String,
    pub phone: String,
}

/// What a version's own type of a challenge has; an absent field is empty.
pub struct Challenge {
    pub id: String,
    pub factor: String,
    pub created_at: String,
    pub expires_at: String,
    pub code: String,
}

/// How a call failed.
#[derive(Debug)]
pub enum Failure {
    /// This version has no such method.
    Absent,
    /// An error of the SDK, or an answer that is not right.
    Failed(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

pub type Outcome<T> = Result<T, Failure>;

/// What is enrolled.
pub enum Kind<'a> {
    Totp,
    Sms(&'a str),
    GenericOtp,
}

pub const ISSUER: &str = "Foo Corp";
pub const ACCOUNT: &str = "alan@foo-corp.com";

pub trait Sdk {
    async fn enroll(&self, kind: Kind<'_>) -> Outcome<Factor>;
    async fn get(&self, id: &str) -> Outcome<Factor>;
    async fn delete(&self, id: &str) -> Outcome<()>;
    async fn challenge(&self, id: &str, template: Option<&str>) -> Outcome<Challenge>;
    /// The verdict, and the ID of its challenge.
    async fn verify(&self, id: &str, code: &str) -> Outcome<(bool, String)>;
    async fn enroll_user(&self, user: &str, secret: &str) -> Outcome<(Factor, Challenge)>;
    /// The IDs of a user's factors, from as many pages as there are.
    async fn list_user(&self, user: &str, limit: Option<i64>) -> Outcome<Vec<String>>;
}

pub mod v0 {
    use super::{ACCOUNT, Challenge, Factor, Failure, ISSUER, Kind, Outcome, Sdk};
    use std::fmt::Debug;
    use workos_0::mfa::{
        AuthenticationFactorId, AuthenticationFactorType, ChallengeAuthenticationFactorType,
        ChallengeFactor as _, ChallengeFactorParams, EnrollFactor as _, EnrollFactorParams, MfaCode,
        VerifyChallenge as _, VerifyChallengeParams,
    };
    use workos_0::{ApiKey, WorkOs};

    pub struct Client(WorkOs);

    impl Client {
        pub fn new(url: &str, key: &str) -> Self {
            Self(WorkOs::builder(&ApiKey::from(key)).base_url(url).unwrap().build())
        }
    }

    fn failed(error: impl Debug) -> Failure {
        Failure::Failed(format!("{error:?}"))
    }

    impl Sdk for Client {
        async fn enroll(&self, kind: Kind<'_>) -> Outcome<Factor> {
            let params = match kind {
                Kind::Totp => EnrollFactorParams::Totp { user: ACCOUNT, issuer: ISSUER },
                Kind::Sms(phone_number) => EnrollFactorParams::Sms { phone_number },
                Kind::GenericOtp => return Err(Failure::Absent),
            };
            let factor = self.0.mfa().enroll_factor(&params).await.map_err(failed)?;
            let id = factor.id.to_string();
            Ok(match factor.r#type {
                AuthenticationFactorType::Totp { qr_code, secret, uri } => {
                    Factor { id, is_totp: true, secret, qr_code, uri, ..Factor::default() }
                }
                AuthenticationFactorType::Sms { phone_number } => {
                    Factor { id, phone: phone_number, ..Factor::default() }
                }
            })
        }

        async fn get(&self, _: &str) -> Outcome<Factor> {
            Err(Failure::Absent)
        }

        async fn delete(&self, _: &str) -> Outcome<()> {
            Err(Failure::Absent)
        }

        async fn challenge(&self, id: &str, template: Option<&str>) -> Outcome<Challenge> {
            let r#type = match template {
                Some(_) => ChallengeAuthenticationFactorType::Sms { template },
                None => ChallengeAuthenticationFactorType::Totp,
            };
            let id = AuthenticationFactorId::from(id);
            let params = ChallengeFactorParams { authentication_factor_id: &id, r#type };
            let challenge = self.0.mfa().challenge_factor(&params).await.map_err(failed)?;
            Ok(Challenge {
                id: challenge.id.to_string(),
                factor: challenge.authentication_factor_id.to_string(),
                created_at: challenge.timestamps.created_at.0.to_rfc3339(),
                expires_at: challenge.expires_at.map(|at| at.0.to_rfc3339()).unwrap_or_default(),
                code: String::new(),
            })
        }

        async fn verify(&self, id: &str, code: &str) -> Outcome<(bool, String)> {
            let (id, code) = (id.into(), MfaCode::from(code));
            let params = VerifyChallengeParams { authentication_challenge_id: &id, code: &code };
            let answer = self.0.mfa().verify_challenge(&params).await.map_err(failed)?;
            Ok((answer.is_valid, answer.challenge.id.to_string()))
        }

        async fn enroll_user(&self, _: &str, _: &str) -> Outcome<(Factor, Challenge)> {
            Err(Failure::Absent)
        }

        async fn list_user(&self, _: &str, _: Option<i64>) -> Outcome<Vec<String>> {
            Err(Failure::Absent)
        }
    }
}

/// The versions 1 to 3 have equal methods of types of their own. Since 3, secrets have a type of their own.
macro_rules! generated {
    ($module:ident, $sdk:ident) => {
        pub mod $module {
            use super::{ACCOUNT, Challenge, Factor, Failure, ISSUER, Kind, Outcome, Sdk};
            use futures_util::TryStreamExt as _;
            use $sdk::enums::AuthenticationFactorsCreateRequestType as Type;
            use $sdk::models::{
                AuthenticationChallenge, AuthenticationChallengesVerifyRequest, AuthenticationFactorEnrolled,
                AuthenticationFactorsCreateRequest, ChallengeAuthenticationFactor,
                EnrollUserAuthenticationFactor,
            };
            use $sdk::resources::multi_factor_auth::{
                ChallengeFactorParams, CreateUserAuthFactorParams, EnrollFactorParams,
                ListUserAuthFactorsParams, VerifyChallengeParams,
            };

            pub struct Client($sdk::Client);

            impl Client {
                pub fn new(url: &str, key: &str) -> Self {
                    Self($sdk::Client::builder().api_key(key).base_url(url).build())
                }
            }

            fn failed(error: $sdk::Error) -> Failure {
                let code = match &error {
                    $sdk::Error::Api(api) => api.code.clone(),
                    _ => None,
                };
                Failure::Failed(format!("{error} {}", code.unwrap_or_default()))
            }

            fn enrolled(factor: AuthenticationFactorEnrolled) -> Factor {
                let mut shown = Factor { id: factor.id, ..Factor::default() };
                if let Some(totp) = factor.totp {
                    shown.is_totp = true;
                    shown.issuer = totp.issuer;
                    shown.secret = totp.secret.into();
                    shown.qr_code = totp.qr_code.into();
                    shown.uri = totp.uri.into();
                }
                shown.phone = factor.sms.map(|sms| sms.phone_number).unwrap_or_default();
                shown
            }

            fn opened(challenge: AuthenticationChallenge) -> Challenge {
                Challenge {
                    id: challenge.id,
                    factor: challenge.authentication_factor_id,
                    created_at: challenge.created_at,
                    expires_at: challenge.expires_at.unwrap_or_default(),
                    code: challenge.code.map(String::from).unwrap_or_default(),
                }
            }

            impl Sdk for Client {
                async fn enroll(&self, kind: Kind<'_>) -> Outcome<Factor> {
                    let owned = |text: &str| Some(text.to_owned());
                    let (type_, phone_number, totp_issuer, totp_user) = match kind {
                        Kind::Totp => (Type::Totp, None, owned(ISSUER), owned(ACCOUNT)),
                        Kind::Sms(phone) => (Type::Sms, owned(phone), None, None),
                        Kind::GenericOtp => (Type::GenericOtp, None, None, None),
                    };
                    let body = AuthenticationFactorsCreateRequest {
                        type_,
                        phone_number,
                        totp_issuer,
                        totp_user,
                        user_id: None,
                    };
                    let factor =
                        self.0.multi_factor_auth().enroll_factor(EnrollFactorParams::new(body)).await;
                    factor.map(enrolled).map_err(failed)
                }

                async fn get(&self, id: &str) -> Outcome<Factor> {
                    let factor = self.0.multi_factor_auth().get_factor(id).await.map_err(failed)?;
                    let issuer = factor.totp.map(|totp| totp.issuer).unwrap_or_default();
                    Ok(Factor { id: factor.id, is_totp: !issuer.is_empty(), issuer, ..Factor::default() })
                }

                async fn delete(&self, id: &str) -> Outcome<()> {
                    self.0.multi_factor_auth().delete_factor(id).await.map_err(failed)
                }

                async fn challenge(&self, id: &str, template: Option<&str>) -> Outcome<Challenge> {
                    let body = ChallengeAuthenticationFactor { sms_template: template.map(str::to_owned) };
                    let params = ChallengeFactorParams::new(body);
                    self.0.multi_factor_auth().challenge_factor(id, params).await.map(opened).map_err(failed)
                }

                async fn verify(&self, id: &str, code: &str) -> Outcome<(bool, String)> {
                    let body = AuthenticationChallengesVerifyRequest { code: code.into() };
                    let params = VerifyChallengeParams::new(body);
                    let answer =
                        self.0.multi_factor_auth().verify_challenge(id, params).await.map_err(failed)?;
                    Ok((answer.valid, answer.challenge.id))
                }

                async fn enroll_user(&self, user: &str, secret: &str) -> Outcome<(Factor, Challenge)> {
                    let body = EnrollUserAuthenticationFactor {
                        type_: "totp".into(),
                        totp_issuer: Some(ISSUER.into()),
                        totp_user: Some(ACCOUNT.into()),
                        totp_secret: Some(secret.into()),
                    };
                    let params = CreateUserAuthFactorParams::new(body);
                    let api = self.0.multi_factor_auth();
                    let answer = api.create_user_auth_factor(user, params).await.map_err(failed)?;
                    Ok((enrolled(answer.authentication_factor), opened(answer.authentication_challenge)))
                }

                async fn list_user(&self, user: &str, limit: Option<i64>) -> Outcome<Vec<String>> {
                    let params = ListUserAuthFactorsParams { limit, ..Default::default() };
                    let api = self.0.multi_factor_auth();
                    let factors: Vec<_> = api
                        .list_user_auth_factors_auto_paging(user, params)
                        .try_collect()
                        .await
                        .map_err(failed)?;
                    Ok(factors.into_iter().map(|factor| factor.id).collect())
                }
            }
        }
    };
}

generated!(v1, workos_1);
generated!(v2, workos_2);
generated!(v3, workos_3);
