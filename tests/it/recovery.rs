//! Recovery codes: a set per user, each code accepted once, with limits of their own.

use crate::app::{Answer, App, Totp, send};
use crate::audit::line_of;
use cli::serve::faults::{Fault, Faults};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

/// How often a race is run.
const REPEATS: usize = 50;
const PARALLEL: usize = 64;

/// A code of no set.
const UNKNOWN: &str = "0000-0000-0000-0000-0000-0000";

pub(crate) fn path(user: &str) -> String {
    format!("/user_management/users/{user}/recovery_codes")
}

impl App {
    /// New recovery codes of a user.
    pub(crate) async fn recovery_codes(&self, user: &str, body: Value) -> Vec<String> {
        codes_in(&self.post(&path(user), body, 201).await)
    }

    pub(crate) async fn recover(&self, user: &str, code: &str) -> Answer {
        let request = self.authorized(Method::POST, &format!("{}/verify", path(user)));
        send(request.json(&json!({ "code": code }))).await
    }

    /// The verdict on a recovery code, and how many are left.
    pub(crate) async fn recovers(&self, user: &str, code: &str) -> (bool, u64) {
        let body = self.recover(user, code).await.expect(201);
        (body["valid"].as_bool().unwrap(), body["remaining"].as_u64().unwrap())
    }

    /// A TOTP factor of a user that was verified once.
    async fn used_totp(&self, user: &str) -> Totp {
        let totp = self.unused_totp(user).await;
        assert!(self.logs_in(&totp).await);
        totp
    }

    async fn unused_totp(&self, user: &str) -> Totp {
        let body = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "a", "user_id": user});
        Totp::of(&self.post("/auth/factors/enroll", body, 201).await)
    }
}

pub(crate) fn codes_in(body: &Value) -> Vec<String> {
    let codes = body["codes"].as_array().expect("codes");
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_03_codes_are_shown_once_and_each_is_accepted_once() {
    let app = App::start().await;
    let created = app.post(&path("alice"), json!({}), 201).await;
    let codes = codes_in(&created);
    assert_eq!(codes.len(), 10);
    app.advance(60);
    let (first, again) = (app.recover("alice", &codes[0]).await, app.recover("alice", &codes[0]).await);
    let unknown = app.recover("alice", UNKNOWN).await;
    // A used code answers like a wrong one.
    assert_eq!((again.status, &again.text), (unknown.status, &unknown.text));
    let shown = app.get(&path("alice"), 200).await;
    insta::assert_snapshot!(app.named(&[&created, &first.json(), &again.json(), &shown]), @r#"
    {"accept_on_challenges":false,"codes":["<recovery-code 1>","<recovery-code 2>","<recovery-code 3>","<recovery-code 4>","<recovery-code 5>","<recovery-code 6>","<recovery-code 7>","<recovery-code 8>","<recovery-code 9>","<recovery-code 10>"],"created_at":"<+0 ms>","object":"recovery_codes","remaining":10,"total":10,"updated_at":"<+0 ms>","user_id":"alice"}
    {"remaining":9,"valid":true}
    {"remaining":9,"valid":false}
    {"accept_on_challenges":false,"created_at":"<+0 ms>","object":"recovery_codes","remaining":9,"total":10,"updated_at":"<+60000 ms>","user_id":"alice"}
    "#);
    for (used, code) in codes.iter().enumerate().skip(1) {
        assert_eq!(app.recovers("alice", code).await, (true, 9 - u64::try_from(used).unwrap()));
    }
    // After the last code the set answers.
    assert_eq!(app.recovers("alice", &codes[9]).await, (false, 0));
    app.delete(&path("alice"), 204).await;
    for (method, path) in [(Method::GET, path("alice")), (Method::DELETE, path("alice"))] {
        send(app.authorized(method, &path)).await.expect(404);
    }
    assert_eq!(app.recover("alice", &codes[9]).await.expect(404)["entity_id"], "alice");
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_04_new_codes_replace_the_earlier_ones() {
    let app = App::start().await;
    let (old, others) =
        (app.recovery_codes("alice", json!({})).await, app.recovery_codes("bob", json!({})).await);
    let new = app.recovery_codes("alice", json!(null)).await;
    assert_eq!(app.recovers("alice", &old[0]).await, (false, 10));
    assert_eq!(app.recovers("alice", &new[0]).await, (true, 9));
    assert_eq!(app.recovers("alice", &others[0]).await, (false, 9), "another user's");
    assert_eq!(app.recovers("bob", &others[0]).await, (true, 9));
    let sets = app.dump().await.iter().filter(|item| item["sk"].as_s().unwrap() == "recovery_codes").count();
    assert_eq!(sets, 2, "one set per user");
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_05_parallel_verifies_of_one_code_succeed_once() {
    let app = Arc::new(App::start().await);
    for number in 0..REPEATS {
        let user = format!("user_{number}");
        let code = app.recovery_codes(&user, json!({})).await.remove(0);
        let mut racing = JoinSet::new();
        for _ in 0..PARALLEL {
            let (app, user, code) = (Arc::clone(&app), user.clone(), code.clone());
            racing.spawn(async move { app.recover(&user, &code).await });
        }
        let answers = racing.join_all().await;
        let valid = answers.iter().filter(|answer| answer.status == 201 && answer.json()["valid"] == true);
        assert_eq!(valid.count(), 1);
        assert!(answers.iter().all(|answer| [201, 400, 503].contains(&answer.status)));
        assert_eq!(app.get(&path(&user), 200).await["remaining"], 9);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_05_codes_that_are_created_at_once_leave_one_set() {
    let app = Arc::new(App::start().await);
    for number in 0..10 {
        let user = format!("user_{number}");
        let mut racing = JoinSet::new();
        for _ in 0..8 {
            let (app, path) = (Arc::clone(&app), path(&user));
            racing.spawn(async move { send(app.authorized(Method::POST, &path)).await });
        }
        let sets: Vec<_> =
            racing.join_all().await.iter().map(|answer| codes_in(&answer.expect(201))).collect();
        let mut live = 0;
        for codes in &sets {
            live += usize::from(app.recovers(&user, &codes[0]).await.0);
            app.advance(24 * 60 * 60);
        }
        assert_eq!(live, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_06_guesses_lock_the_set_and_not_the_factor() {
    let app = App::start().await;
    let totp = app.used_totp("alice").await;
    let codes = app.recovery_codes("alice", json!({})).await;
    for _ in 0..5 {
        assert_eq!(app.recovers("alice", UNKNOWN).await, (false, 10));
    }
    let locked = app.recover("alice", &codes[0]).await.expect(400);
    assert_eq!(locked["code"], "one_time_code_too_many_attempts");
    assert!(locked["retry_at"].is_string());
    app.advance(29);
    app.recover("alice", &codes[0]).await.expect(400);
    assert!(app.logs_in(&totp).await, "the authenticator is not locked");
    app.advance(1);
    assert_eq!(app.recovers("alice", &codes[0]).await, (true, 9), "no code was used by a refused guess");
    // Twenty failures in a day, whatever succeeds between them.
    for _ in 0..15 {
        while app.recover("alice", UNKNOWN).await.status == 400 {
            app.advance(60);
        }
    }
    let locked = app.recover("alice", &codes[1]).await.expect(400);
    assert!(locked["retry_at"].is_string());
    app.advance(24 * 60 * 60);
    assert_eq!(app.recovers("alice", &codes[1]).await, (true, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_06_a_locked_factor_does_not_block_recovery() {
    let app = App::start().await;
    let totp = app.used_totp("alice").await;
    let codes = app.recovery_codes("alice", json!({"accept_on_challenges": true})).await;
    let challenge = app.challenge(&totp.id).await;
    for _ in 0..5 {
        assert!(!app.is_valid(&challenge, &app.wrong_code(&totp)).await);
    }
    assert_eq!(app.refusal(&challenge, &app.code_of(&totp, 1)).await.0, 400);
    assert_eq!(app.recovers("alice", &codes[0]).await, (true, 9));
    // The same at the challenge that is open.
    assert!(app.is_valid(&challenge, &codes[1]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_07_a_challenge_accepts_recovery_codes_that_were_created_for_it() {
    let app = App::start().await;
    let totp = app.used_totp("alice").await;
    let codes = app.recovery_codes("alice", json!({"accept_on_challenges": true})).await;
    let challenge = app.challenge(&totp.id).await;
    let wrong = app.verify(&challenge, UNKNOWN).await.expect(201);
    let right = app.verify(&challenge, &codes[0].to_lowercase().replace('-', " ")).await.expect(201);
    assert_eq!((&wrong["valid"], &wrong["recovery_codes"]), (&json!(false), &json!({"remaining": 10})));
    assert_eq!((&right["valid"], &right["recovery_codes"]), (&json!(true), &json!({"remaining": 9})));
    // The challenge was verified by it, for every other recovery code.
    assert_eq!(app.refusal(&challenge, &codes[1]).await.1, "authentication_challenge_previously_verified");
    // A challenge that the factor's own code has verified accepts none.
    let challenge = app.challenge(&totp.id).await;
    app.advance(30);
    assert!(app.is_valid(&challenge, &app.code_of(&totp, 0)).await);
    assert_eq!(app.refusal(&challenge, &codes[1]).await.1, "authentication_challenge_previously_verified");
    let challenge = app.challenge(&totp.id).await;
    assert!(!app.is_valid(&challenge, &codes[0]).await, "used before");
    app.advance(600);
    assert_eq!(app.refusal(&challenge, &codes[1]).await.1, "authentication_challenge_expired");
    // By the route of old SDKs, too.
    let challenge = app.challenge(&totp.id).await;
    let body = json!({"authentication_challenge_id": challenge, "code": codes[1]});
    assert_eq!(app.post("/auth/factors/verify", body, 201).await["valid"], true);
    assert_eq!(app.get(&path("alice"), 200).await["remaining"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_07_any_other_challenge_refuses_them() {
    let app = App::start().await;
    let off = json!({"accept_on_challenges": false});
    let on = json!({"accept_on_challenges": true});
    let (never_verified, opted_out) = (app.unused_totp("alice").await, app.used_totp("bob").await);
    let (no_user, no_codes) = (app.enroll_totp().await, app.used_totp("carol").await);
    assert!(app.logs_in(&no_user).await);
    let (alice, bob) = (app.recovery_codes("alice", on).await, app.recovery_codes("bob", off).await);
    for (totp, code) in
        [(&never_verified, &alice[0]), (&opted_out, &bob[0]), (&no_user, &alice[0]), (&no_codes, &bob[0])]
    {
        let challenge = app.challenge(&totp.id).await;
        let refused = app.verify(&challenge, code).await.expect(422);
        assert_eq!(refused["errors"][0]["code"], "code must be six ASCII digits");
    }
    for user in ["alice", "bob"] {
        assert_eq!(app.get(&path(user), 200).await["remaining"], 10);
    }
    let phone = app
        .post(
            "/auth/factors/enroll",
            json!({"type": "sms", "phone_number": "+15005550006", "user_id": "alice"}),
            201,
        )
        .await;
    let challenge = app.challenge(phone["id"].as_str().unwrap()).await;
    assert_eq!(app.refusal(&challenge, &alice[0]).await.0, 422, "a phone that no one has proven to hold");
    assert!(app.is_valid(&challenge, &app.last_code()).await);
    app.advance(60);
    let challenge = app.challenge(phone["id"].as_str().unwrap()).await;
    assert!(app.is_valid(&challenge, &alice[0]).await, "it was verified once");
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_08_bad_input_is_refused_and_costs_nothing() {
    let app = App::start().await;
    let codes = app.recovery_codes("alice", json!({})).await;
    for body in [json!({}), json!({"code": "123456"}), json!({"code": 7}), json!({"code": &codes[0][1..]})] {
        let request = app.authorized(Method::POST, &format!("{}/verify", path("alice")));
        assert_eq!(send(request.json(&body)).await.expect(422)["errors"][0]["field"], "code");
    }
    let request = app.authorized(Method::POST, &path("alice"));
    let refused = send(request.json(&json!({"accept_on_challenges": "yes"}))).await.expect(422);
    assert_eq!(refused["errors"][0]["code"], "accept_on_challenges must be true or false");
    assert_eq!(app.recovers("alice", &codes[0]).await, (true, 9), "they were not replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn rec_09_the_audit_line_counts_what_is_left_and_names_no_user() {
    let app = App::start().await;
    let create = line_of(app.authorized(Method::POST, &path("alice"))).await;
    assert_eq!((&create["operation"], &create["outcome"]), (&json!("create_recovery_codes"), &json!("ok")));
    assert_eq!(create["recovery_codes_left"], 10);
    let codes = app.recovery_codes("alice", json!({})).await;
    let verify = |code: &str| {
        let request = app.authorized(Method::POST, &format!("{}/verify", path("alice")));
        line_of(request.json(&json!({ "code": code })))
    };
    let (right, used) = (verify(&codes[0]).await, verify(&codes[0]).await);
    assert_eq!((&right["outcome"], &right["recovery_codes_left"]), (&json!("ok"), &json!(9)));
    assert_eq!((&used["outcome"], &used["recovery_codes_left"]), (&json!("wrong"), &json!(9)));
    assert_ne!(right["recovery_codes"], create["recovery_codes"], "another set");
    for line in [create, right, used] {
        assert!(!line.to_string().contains("alice"), "{line}");
    }
}

/// A write whose response is lost uses one code, and its verdict is returned.
#[tokio::test(flavor = "multi_thread")]
async fn rec_10_a_lost_response_neither_loses_nor_doubles_a_verdict() {
    let app = App::start_with_faults(Faults::none()).await;
    let codes = app.recovery_codes("alice", json!({})).await;
    for (lost, code) in codes.iter().enumerate().take(4) {
        let mut calls = Vec::new();
        app.faults().plan(move |call| {
            if call.operation == "UpdateItem" && !calls.contains(&call.number) {
                calls.push(call.number);
            }
            calls
                .iter()
                .position(|seen| *seen == call.number)
                .is_some_and(|nth| nth < lost)
                .then_some(Fault::TimeoutAfter)
        });
        assert_eq!(app.recovers("alice", code).await, (true, 9 - u64::try_from(lost).unwrap()));
        app.faults().plan(|_| None);
        assert!(!app.recovers("alice", code).await.0);
    }
    app.faults().plan(|call| (call.operation == "UpdateItem").then_some(Fault::ServerError));
    app.recover("alice", &codes[5]).await.expect(503);
    app.faults().plan(|_| None);
    app.advance(60);
    assert_eq!(app.recovers("alice", &codes[5]).await, (true, 5));
}
