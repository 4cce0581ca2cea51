//! The operations of the product: what each needs before it, how it is asked for, what it answers.

use super::is_unavailable;
use crate::app::{Answer, App, Totp};
use crate::recovery;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    EnrollTotp,
    EnrollSms,
    EnrollForUser,
    ChallengeTotp,
    ChallengeSms,
    ChallengeGeneric,
    VerifyRight,
    VerifyWrong,
    Get,
    List,
    Delete,
    CreateRecoveryCodes,
    RecoverRight,
    RecoverWrong,
}

use Operation::{
    ChallengeGeneric, ChallengeSms, ChallengeTotp, CreateRecoveryCodes, Delete, EnrollForUser, EnrollSms,
    EnrollTotp, Get, List, RecoverRight, RecoverWrong, VerifyRight, VerifyWrong,
};

/// What an operation is about. Every scene has a user and a number of its own.
pub(super) struct Scene {
    pub(super) user: String,
    pub(super) phone: String,
    factor: Option<String>,
    pub(super) totp: Option<Totp>,
    challenge: Option<String>,
    /// Recovery codes of the user.
    pub(super) codes: Vec<String>,
}

impl Scene {
    pub(super) fn factor(&self) -> &str {
        self.factor.as_ref().expect("a factor")
    }

    pub(super) fn challenge(&self) -> &str {
        self.challenge.as_ref().expect("a challenge")
    }

    pub(super) fn code(&self, app: &App, right: bool) -> String {
        let totp = self.totp.as_ref().expect("an authenticator app");
        if right { app.code_of(totp, 0) } else { app.wrong_code(totp) }
    }
}

impl Operation {
    pub(super) const ALL: [Self; 14] = [
        EnrollTotp,
        EnrollSms,
        EnrollForUser,
        ChallengeTotp,
        ChallengeSms,
        ChallengeGeneric,
        VerifyRight,
        VerifyWrong,
        Get,
        List,
        Delete,
        CreateRecoveryCodes,
        RecoverRight,
        RecoverWrong,
    ];

    pub(super) fn decides(self) -> bool {
        self != List
    }

    pub(super) fn verifies(self) -> bool {
        matches!(self, VerifyRight | VerifyWrong)
    }

    pub(super) fn enrolls(self) -> bool {
        matches!(self, EnrollTotp | EnrollSms | EnrollForUser)
    }

    /// The status without faults.
    fn success(self) -> u16 {
        match self {
            Get | List => 200,
            Delete => 204,
            _ => 201,
        }
    }

    /// Makes what the operation needs, a day after the scene before, so that no limit a day has is met.
    pub(super) async fn arrange(self, app: &App, number: usize) -> Scene {
        app.advance(24 * 60 * 60);
        let user = format!("user_{number}");
        let phone = format!("+1202555{:04}", number * 2);
        let mut scene = Scene { user, phone, factor: None, totp: None, challenge: None, codes: Vec::new() };
        match self {
            EnrollTotp | EnrollSms | EnrollForUser => return scene,
            CreateRecoveryCodes | RecoverRight | RecoverWrong => {
                scene.codes = app.recovery_codes(&scene.user, json!({})).await;
            }
            ChallengeSms => scene.factor = Some(enroll_sms(app, &scene.phone).await),
            ChallengeGeneric | Get | List | Delete => {
                scene.factor = Some(app.enroll(json!({"type": "generic_otp", "user_id": scene.user})).await);
            }
            ChallengeTotp | VerifyRight | VerifyWrong => {
                let totp = app.enroll_totp().await;
                scene.factor = Some(totp.id.clone());
                scene.totp = Some(totp);
            }
        }
        if self.verifies() {
            scene.challenge = Some(app.challenge(scene.factor()).await);
        }
        // The key is not trusted any longer: it is read again.
        app.advance(61);
        scene
    }

    pub(super) fn request(self, app: &App, scene: &Scene) -> RequestBuilder {
        let post = |path: &str, body: Value| app.authorized(Method::POST, path).json(&body);
        let (user, phone) = (&scene.user, &scene.phone);
        match self {
            EnrollTotp => post(
                "/auth/factors/enroll",
                json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "a", "user_id": user}),
            ),
            EnrollSms => {
                post("/auth/factors/enroll", json!({"type": "sms", "phone_number": phone, "user_id": user}))
            }
            EnrollForUser => {
                post(&format!("/user_management/users/{user}/auth_factors"), json!({"type": "totp"}))
            }
            ChallengeTotp | ChallengeSms | ChallengeGeneric => {
                post(&format!("/auth/factors/{}/challenge", scene.factor()), json!({}))
            }
            VerifyRight | VerifyWrong => {
                let code = scene.code(app, self == VerifyRight);
                post(&format!("/auth/challenges/{}/verify", scene.challenge()), json!({ "code": code }))
            }
            Get => app.authorized(Method::GET, &factor_path(scene.factor())),
            Delete => app.authorized(Method::DELETE, &factor_path(scene.factor())),
            List => app.authorized(Method::GET, &list_path(user)),
            CreateRecoveryCodes => post(&recovery::path(user), json!({})),
            RecoverRight => {
                post(&format!("{}/verify", recovery::path(user)), json!({"code": scene.codes[0]}))
            }
            RecoverWrong => {
                let unknown = json!({"code": "0000-0000-0000-0000-0000-0000"});
                post(&format!("{}/verify", recovery::path(user)), unknown)
            }
        }
    }

    /// FLT-01: the answer is the one without faults or 503; whether it was the former.
    pub(super) fn answered(self, answer: &Answer) -> bool {
        if answer.status == 503 {
            is_unavailable(answer);
            return false;
        }
        let body = answer.expect(self.success());
        match self {
            VerifyRight | RecoverRight => assert_eq!(body["valid"], true),
            VerifyWrong | RecoverWrong => assert_eq!(body["valid"], false),
            _ => assert!(body.get("valid").is_none()),
        }
        true
    }
}

pub(super) async fn enroll_sms(app: &App, phone: &str) -> String {
    app.enroll(json!({"type": "sms", "phone_number": phone})).await
}

pub(super) fn factor_path(id: &str) -> String {
    format!("/auth/factors/{id}")
}

pub(super) fn list_path(user: &str) -> String {
    format!("/auth/factors?user_id={user}")
}
