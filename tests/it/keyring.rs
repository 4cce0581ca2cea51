//! Keys at rest and in memory: when they are unwrapped, how long they are held, and what happens when they cannot be had.

use crate::app::{Answer, App, Totp};
use crate::faults::ask;
use axum::Router;
use cli::serve::faults::{Fault, Faults};
use cli::serve::kms::KEY_ID;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use shared::domain::environment::WrappedDataKey;
use shared::domain::policy::{API_KEY_CACHE_TTL, NEW_KEY_DELAY};
use shared::domain::scope::Scope;
use shared::http::{all_routes, app as application};
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use shared::sms::Sms;
use shared::vault::kms::{Kms, KmsError};

/// All routes over a server that has just started: it holds no key yet.
fn cold(app: &App) -> Router {
    let (core, keyring) = app.local.cold();
    let sns = shared::aws::on_this_machine(&app.local.sns_url);
    let sms = shared::config::Settings::for_local(&|_| None).unwrap().sms;
    let routes = all_routes(&core, &keyring, Sms::new(shared::aws::sns(&sns), sms));
    application(core, routes)
}

fn verify_request(app: &App, challenge: &str, code: &str) -> RequestBuilder {
    app.authorized(Method::POST, &format!("/auth/challenges/{challenge}/verify"))
        .json(&json!({ "code": code }))
}

/// The calls to KMS since the plan was made.
fn unwrapped(app: &App) -> usize {
    app.faults().calls().iter().filter(|call| call.operation == "Decrypt").count()
}

impl App {
    /// Gives the environment another key, under another entry of the keyring.
    async fn rotate(&self) {
        let (operator, keyring, now) = (&self.local.operator, &self.local.keyring, self.local.clock.now());
        let mut rng = OsEntropy.rng().unwrap();
        self.add_data_key().await;
        let tag = self.local.api_key.tag();
        let environment = operator.store.environment(tag).await.unwrap().unwrap().environment.id;
        let key = keyring.new_key(environment, now, &mut rng).unwrap();
        operator.add_environment_key(tag, &key).await.unwrap();
    }

    /// The key a factor's secret is sealed with.
    pub(crate) async fn sealed_with(&self, totp: &Totp) -> String {
        self.item(&totp.id).await["key"].as_s().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a22_sec_02_an_entry_of_the_keyring_opens_under_its_own_name_only() {
    let app = App::start().await;
    app.rotate().await;
    let entries = app.local.core.store.keyring().await.unwrap().readable;
    let kms =
        Kms::new(shared::aws::kms(&shared::aws::on_this_machine(&app.local.kms_url)), KEY_ID.to_owned());
    for (entry, other) in [(&entries[0], &entries[1]), (&entries[1], &entries[0])] {
        let own = kms.unwrap_key(entry).await.unwrap();
        assert!(*own != *kms.unwrap_key(other).await.unwrap(), "two entries have one key");
        let moved = WrappedDataKey { id: other.id, bytes: entry.bytes.clone() };
        let refused = kms.unwrap_key(&moved).await.err().unwrap();
        assert!(matches!(refused, KmsError::WrongKey(id) if id == other.id), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_08_a_refused_request_unwraps_no_key() {
    let app = App::start_with_faults(Faults::none()).await;
    let totp = app.enroll_totp().await;
    let (spent, exhausted, expired) =
        (app.challenge(&totp.id).await, app.challenge(&totp.id).await, app.challenge(&totp.id).await);
    assert!(app.is_valid(&spent, &app.code_of(&totp, -1)).await);
    for _ in 0..5 {
        assert!(!app.is_valid(&exhausted, &app.wrong_code(&totp)).await);
    }
    app.faults().plan(|_| None);
    let routes = cold(&app);
    let refused = async |request: RequestBuilder| {
        let answer = ask(routes.clone(), request).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text);
        assert_eq!(unwrapped(&app), 0, "{}", answer.text);
    };
    let right = app.code_of(&totp, 0);
    refused(app.request(Method::POST, "/auth/factors/verify").bearer_auth("nonsense")).await;
    refused(verify_request(&app, "auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ", &right)).await;
    refused(verify_request(&app, &expired, "12345")).await;
    refused(app.authorized(Method::POST, "/auth/factors/enroll").json(&json!({"type": "totp"}))).await;
    app.advance(601);
    for challenge in [&spent, &exhausted, &expired] {
        refused(verify_request(&app, challenge, &right)).await;
    }

    let open = app.challenge(&totp.id).await;
    app.faults().plan(|_| None);
    let answer = ask(routes.clone(), verify_request(&app, &open, &app.code_of(&totp, 0))).await;
    assert_eq!(answer.expect(201)["valid"], true);
    assert_eq!(unwrapped(&app), 1, "once, and then it is held");
}

/// SEC-11, FLT-07, FLT-15: only what needs a key that is not held fails, and it changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn sec_11_without_kms_a_cold_server_gives_503_and_spends_nothing() {
    let app = App::start_with_faults(Faults::none()).await;
    let (totp, open) = app.challenged().await;
    let before = app.dump().await;
    for fault in [Fault::Throttle, Fault::ServerError, Fault::TimeoutBefore] {
        app.faults().plan(move |call| (call.operation == "Decrypt").then_some(fault));
        let routes = cold(&app);
        for code in [app.code_of(&totp, 0), app.wrong_code(&totp)] {
            crate::faults::is_unavailable(&ask(routes.clone(), verify_request(&app, &open, &code)).await);
        }
        let enroll = json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "a"});
        let enroll = app.authorized(Method::POST, "/auth/factors/enroll").json(&enroll);
        crate::faults::is_unavailable(&ask(routes.clone(), enroll).await);
        assert!(unwrapped(&app) > 0, "it was asked");
        assert_eq!(app.dump().await.len(), before.len());
        for (method, path, status) in [
            (Method::GET, format!("/auth/factors/{}", totp.id), 200),
            (Method::GET, "/auth/factors?user_id=u".to_owned(), 200),
        ] {
            ask(routes.clone(), app.authorized(method, &path)).await.expect(status);
        }
    }
    assert_eq!(app.dump().await, before, "no attempt was spent");
    // The server that holds the key is not concerned.
    assert!(app.is_valid(&open, &app.code_of(&totp, 0)).await);
    let other = app.enroll_totp().await;
    let challenge = format!("/auth/factors/{}/challenge", other.id);
    let routes = cold(&app);
    ask(routes.clone(), app.authorized(Method::POST, &challenge)).await.expect(201);
    ask(routes.clone(), app.authorized(Method::DELETE, &format!("/auth/factors/{}", other.id))).await;
    // Once KMS is back, so is the cold one, without a restart.
    let third = app.enroll_totp().await;
    let open = app.challenge(&third.id).await;
    app.faults().plan(|_| None);
    let answer = ask(routes, verify_request(&app, &open, &app.code_of(&third, 0))).await;
    assert_eq!(answer.expect(201)["valid"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_04_the_keys_of_an_environment_are_held_for_a_minute() {
    let app = App::start_with_faults(Faults::none()).await;
    let (totp, open) = app.challenged().await;
    app.faults().plan(|_| None);
    let reads = || {
        let calls = app.faults().calls();
        let of_environment = |call: &&cli::serve::faults::Call| {
            call.operation == "GetItem" && String::from_utf8_lossy(&call.body).contains("environment/local")
        };
        calls.iter().filter(of_environment).count()
    };
    app.verify(&open, &app.wrong_code(&totp)).await.expect(201);
    let warm = reads();
    app.advance(i64::try_from(API_KEY_CACHE_TTL.as_secs()).unwrap() + 1);
    app.verify(&open, &app.wrong_code(&totp)).await.expect(201);
    assert_eq!(reads(), warm + 1, "read, and unwrapped, again");
}

/// SEC-04: an erased environment's keys are gone from a warm server within the minute.
#[tokio::test(flavor = "multi_thread")]
async fn sec_04_an_erased_environment_opens_nothing_a_minute_later() {
    let app = App::start().await;
    let key = app.api_key("shop", Scope::Full, None).await;
    let list = || app.request(Method::GET, "/auth/factors?user_id=u").bearer_auth(&key);
    crate::app::send(list()).await.expect(200);
    let tag = shared::domain::environment::Tag::parse("shop").unwrap();
    app.local.operator.erase_environment(&tag, app.local.clock.now()).await.unwrap();
    app.advance(61);
    crate::app::send(list()).await.expect(401);
    let erased = app.local.core.store.environment(&tag).await.unwrap().unwrap();
    let error = app.local.keyring.seal(&erased, app.local.clock.now()).await.err().unwrap();
    assert!(error.to_string().ends_with("has no key"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_06_what_is_kept_of_a_spent_code_is_of_no_use_and_collected() {
    let app = App::start().await;
    let factor = app.enroll(json!({"type": "generic_otp"})).await;
    let (challenge, code) = app.generic_challenge(&factor).await;
    assert!(app.is_valid(&challenge, &code).await);
    assert!(app.item(&challenge).await["ttl"].as_n().is_ok(), "DynamoDB collects it");
    let again: Answer = app.verify(&challenge, &code).await;
    assert_eq!(again.expect(422)["code"], "authentication_challenge_previously_verified");
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_07_old_and_new_factors_verify_side_by_side_and_a_verify_seals_nothing() {
    let app = App::start().await;
    let (old, unused) = (app.enroll_totp().await, app.enroll_totp().await);
    let generic = app.enroll(json!({"type": "generic_otp"})).await;
    let (under_old, code) = app.generic_challenge(&generic).await;
    let first_key = app.sealed_with(&old).await;
    app.rotate().await;
    let early = app.enroll_totp().await;
    assert_eq!(app.sealed_with(&early).await, first_key, "not every server knows the new key yet");
    app.advance(i64::try_from(NEW_KEY_DELAY.as_secs() + API_KEY_CACHE_TTL.as_secs()).unwrap());
    let new = app.enroll_totp().await;
    let second_key = app.sealed_with(&new).await;
    assert!(second_key > first_key);
    for totp in [&old, &early, &new] {
        let challenge = app.challenge(&totp.id).await;
        assert!(!app.is_valid(&challenge, &app.wrong_code(totp)).await);
        assert!(app.is_valid(&challenge, &app.code_of(totp, 0)).await);
        let key = if totp.id == new.id { &second_key } else { &first_key };
        assert_eq!(&app.sealed_with(totp).await, key, "a verify writes the guard and nothing else");
    }
    assert!(app.is_valid(&under_old, &code).await, "a code from before");
    // A server that starts now opens both.
    let open = app.challenge(&unused.id).await;
    let answer = ask(cold(&app), verify_request(&app, &open, &app.code_of(&unused, 0))).await;
    assert_eq!(answer.expect(201)["valid"], true);
}
