//! What must be true after an operation, whatever failed on the way.

use super::operation::{Operation, Scene, enroll_sms, factor_path, list_path};
use super::stored;
use crate::app::{Answer, App, Item};
use crate::recovery::codes_in;
use cli::serve::faults::Call;
use serde_json::json;
use shared::domain::id::ChallengeId;
use tests::client::code_in;

use Operation::{
    ChallengeGeneric, ChallengeSms, ChallengeTotp, CreateRecoveryCodes, Delete, EnrollForUser, EnrollSms,
    EnrollTotp, Get, List, RecoverRight, RecoverWrong, VerifyRight, VerifyWrong,
};

impl Operation {
    /// Asserts what must be true of the answer and of the table. `applied` are the writes and messages
    /// that were carried out for certain.
    pub(super) async fn settled(self, app: &App, scene: &Scene, answer: &Answer, applied: &[Call]) {
        let answered = self.answered(answer);
        let written = applied.iter().any(|call| call.operation == "UpdateItem");
        match self {
            EnrollTotp | EnrollSms | EnrollForUser => enrolled_whole(app, scene, answered).await,
            ChallengeTotp | ChallengeGeneric => {
                if let Some(challenge) = answer.json()["id"].as_str() {
                    let code = match &scene.totp {
                        Some(totp) => app.code_of(totp, 0),
                        None => answer.json()["code"].as_str().unwrap().to_owned(),
                    };
                    assert!(app.is_valid(challenge, &code).await);
                }
            }
            ChallengeSms => sent_at_most_once(app, scene, answered).await,
            VerifyRight => {
                // FLT-02: a write counts once, whether or not its response was lost; what was not written does not count.
                let again = app.verify(scene.challenge(), &scene.code(app, true)).await;
                let first = again.status == 201 && again.json()["valid"] == true;
                assert!(first || again.status == 422, "{}", again.text);
                assert_eq!(first, !(answered || written));
                let code = scene.code(app, true);
                assert_eq!(app.verify(scene.challenge(), &code).await.status, 422, "the code is spent");
            }
            VerifyWrong => {
                // FLT-04: returned at most as often as counted.
                let attempts = attempts(app, scene).await;
                assert!(attempts >= usize::from(answered || written), "{attempts} counted");
                assert!(attempts <= 1, "{attempts} counted");
                assert!(app.is_valid(scene.challenge(), &scene.code(app, true)).await);
            }
            Get | List => {
                app.get(&factor_path(scene.factor()), 200).await;
            }
            CreateRecoveryCodes => {
                // One set is left: the earlier one, or the one that was written.
                let replaced = applied.iter().any(|call| call.operation == "PutItem" && replaces(call));
                let old = app.recovers(&scene.user, &scene.codes[0]).await;
                assert_eq!(old, if answered || replaced { (false, 10) } else { (true, 9) });
                if answered {
                    let new = codes_in(&answer.json());
                    assert_eq!(app.recovers(&scene.user, &new[0]).await, (true, 9));
                }
            }
            RecoverRight => {
                let again = app.recovers(&scene.user, &scene.codes[0]).await;
                assert_eq!(again, (!(answered || written), 9), "used once");
            }
            RecoverWrong => {
                let set = app.item(&format!("/{}", scene.user)).await;
                let failures = set["guard"].as_m().unwrap()["failures"].as_n().unwrap();
                assert_eq!(failures == "1", answered || written, "{failures} counted");
                assert_eq!(app.recovers(&scene.user, &scene.codes[0]).await, (true, 9));
            }
            Delete => {
                if answered || applied.iter().any(|call| call.operation == "DeleteItem") {
                    app.get(&factor_path(scene.factor()), 404).await;
                } else {
                    app.challenge(scene.factor()).await;
                    app.delete(&factor_path(scene.factor()), 204).await;
                }
            }
        }
        if self.enrolls() && answered {
            let body = answer.json();
            let factor = if self == EnrollForUser { &body["authentication_factor"] } else { &body };
            app.get(&factor_path(factor["id"].as_str().unwrap()), 200).await;
        }
        works(app, self, scene).await;
    }
}

/// Whether a write of recovery codes replaces the earlier ones, and is not the first one, which finds them there.
fn replaces(call: &Call) -> bool {
    String::from_utf8_lossy(&call.body).contains(":replaced")
}

/// Guesses the table knows of.
pub(super) async fn attempts(app: &App, scene: &Scene) -> usize {
    let guard = stored(app, scene.factor()).await.expect("the factor").guard;
    let challenge = ChallengeId::parse(scene.challenge()).unwrap();
    guard.spent.get(&challenge).map_or(0, |spent| spent.attempts.len())
}

/// A factor whose enrollment was answered 503 may exist, but then it is complete.
async fn enrolled_whole(app: &App, scene: &Scene, answered: bool) {
    let list = app.get(&list_path(&scene.user), 200).await;
    let factors = list["data"].as_array().unwrap();
    assert!(factors.len() <= 1 && factors.len() >= usize::from(answered), "{list}");
    for factor in factors {
        let id = factor["id"].as_str().unwrap();
        assert_eq!(app.get(&factor_path(id), 200).await["id"], id);
        app.challenge(id).await;
    }
}

/// FLT-08, FLT-10: at most one message, and its code verifies, even if the challenge was answered 503.
async fn sent_at_most_once(app: &App, scene: &Scene, answered: bool) {
    let messages = app.local.outbox.messages().unwrap();
    let sent: Vec<_> = messages.iter().filter(|message| message.to == scene.phone).collect();
    assert!(sent.len() <= 1 && sent.len() >= usize::from(answered), "{} messages", sent.len());
    for message in sent {
        let of_factor = |item: &Item| {
            item.get("factor").is_some_and(|factor| factor.as_s().is_ok_and(|id| id == scene.factor()))
        };
        let challenge = app.dump().await.into_iter().find(of_factor).expect("no message without a challenge");
        let code = code_in(&message.message);
        assert!(app.is_valid(challenge["id"].as_s().unwrap(), &code).await);
    }
}

/// A fresh factor of the same type goes all the way.
async fn works(app: &App, operation: Operation, scene: &Scene) {
    if operation == ChallengeSms {
        let next = scene.phone.parse::<u64>().unwrap() + 1;
        let factor = enroll_sms(app, &format!("+{next}")).await;
        let challenge = app.challenge(&factor).await;
        assert!(app.is_valid(&challenge, &app.last_code()).await);
    } else {
        let factor = app.enroll(json!({"type": "generic_otp"})).await;
        let (challenge, code) = app.generic_challenge(&factor).await;
        assert!(app.is_valid(&challenge, &code).await);
        app.delete(&factor_path(&factor), 204).await;
    }
}
