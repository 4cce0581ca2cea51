//! Verifying a code, one request after the other.

use crate::app::{App, other_than, send};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a1_one_01_a_code_verifies_once() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    assert!(!app.is_valid(&challenge, &app.wrong_code(&totp)).await);
    assert!(app.is_valid(&challenge, &app.code_of(&totp, 0)).await);
    let again = app.verify(&challenge, &app.code_of(&totp, 0)).await.expect(422);
    insta::assert_snapshot!(app.named(&[&again]), @r#"{"code":"authentication_challenge_previously_verified","message":"The authentication challenge '<challenge 1>' has already been verified."}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_one_02_a_spent_step_is_wrong_in_a_fresh_challenge() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let (now, before, after) = (app.code_of(&totp, 0), app.code_of(&totp, -1), app.code_of(&totp, 1));
    assert!(app.is_valid(&app.challenge(&totp.id).await, &now).await);
    let fresh = app.challenge(&totp.id).await;
    assert!(!app.is_valid(&fresh, &now).await);
    assert!(!app.is_valid(&fresh, &before).await, "an older step is spent with it");
    assert!(app.is_valid(&fresh, &after).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_otp_07_a_code_two_steps_away_is_wrong() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    assert!(!app.is_valid(&challenge, &app.code_of(&totp, 2)).await);
    assert!(!app.is_valid(&challenge, &app.code_of(&totp, -2)).await);
    assert!(app.is_valid(&challenge, &app.code_of(&totp, 1)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn thr_01_the_sixth_guess_is_refused_even_if_it_is_right() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    for _ in 0..5 {
        assert!(!app.is_valid(&challenge, &app.wrong_code(&totp)).await);
    }
    let refused = (400, "one_time_code_too_many_attempts".to_owned());
    assert_eq!(app.refusal(&challenge, &app.code_of(&totp, 0)).await, refused);
    assert_eq!(
        app.refusal(&challenge, &app.wrong_code(&totp)).await,
        refused,
        "the same answer, right or wrong"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_otp_06_a_malformed_code_costs_no_attempt() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    let path = format!("/auth/challenges/{challenge}/verify");
    for code in [
        json!(""),
        json!(null),
        json!("12345"),
        json!("1234567"),
        json!("+12345"),
        json!(" 12345"),
        json!("12345\u{0}"),
        json!("１２３４５６"),
        json!("٠١٢٣٤٥"),
        json!(123_456),
        json!(["123456"]),
        json!({"code": "123456"}),
        json!(true),
    ] {
        let refused = app.post(&path, json!({ "code": code }), 422).await;
        assert_eq!(refused["code"], "invalid_request_parameters");
        assert_eq!(refused["errors"][0]["field"], "code");
    }
    app.post(&path, json!({}), 422).await;
    assert!(app.is_valid(&challenge, &app.code_of(&totp, 0)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_texted_code_verifies_in_its_challenge_only() {
    let app = App::start().await;
    let factor = app.enroll_sms().await;
    let first = app.challenge(&factor).await;
    let first_code = app.last_code();
    app.advance(30);
    let second = app.challenge(&factor).await;
    let second_code = app.last_code();
    if first_code != second_code {
        assert!(!app.is_valid(&second, &first_code).await, "ONE-05");
    }
    // Design §3: several open challenges all stay good; a late message still works.
    assert!(app.is_valid(&first, &first_code).await);
    let verified = app.verify(&second, &second_code).await.expect(201);
    insta::assert_snapshot!(app.named(&[&verified]), @r#"{"challenge":{"authentication_factor_id":"<factor 1>","created_at":"<+30000 ms>","expires_at":"<+630000 ms>","id":"<challenge 2>","object":"authentication_challenge","updated_at":"<+30000 ms>"},"valid":true}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generic_code_is_shown_again_only_to_whoever_gave_it() {
    let app = App::start().await;
    let factor = app.enroll(json!({"type": "generic_otp"})).await;
    let opened = app.post(&format!("/auth/factors/{factor}/challenge"), json!({}), 201).await;
    let (challenge, code) = (opened["id"].as_str().unwrap(), opened["code"].as_str().unwrap());
    let wrong = app.verify(challenge, other_than(code)).await.expect(201);
    let right = app.verify(challenge, code).await.expect(201);
    insta::assert_snapshot!(app.named(&[&opened, &wrong, &right]), @r#"
    {"authentication_factor_id":"<factor 1>","code":"<code 1>","created_at":"<+0 ms>","expires_at":"<+600000 ms>","id":"<challenge 1>","object":"authentication_challenge","updated_at":"<+0 ms>"}
    {"challenge":{"authentication_factor_id":"<factor 1>","created_at":"<+0 ms>","expires_at":"<+600000 ms>","id":"<challenge 1>","object":"authentication_challenge","updated_at":"<+0 ms>"},"valid":false}
    {"challenge":{"authentication_factor_id":"<factor 1>","code":"<code 1>","created_at":"<+0 ms>","expires_at":"<+600000 ms>","id":"<challenge 1>","object":"authentication_challenge","updated_at":"<+0 ms>"},"valid":true}
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_exp_01_exp_03_every_kind_of_challenge_expires_after_ten_minutes() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let sms = app.enroll_sms().await;
    let generic = app.enroll(json!({"type": "generic_otp"})).await;
    let totp_challenge = app.challenge(&totp.id).await;
    let sms_challenge = app.challenge(&sms).await;
    let (generic_challenge, generic_code) = app.generic_challenge(&generic).await;
    // EXP-03: nothing has collected the items; only the clock decides.
    app.advance(600);
    for (challenge, code) in [
        (totp_challenge, app.code_of(&totp, 0)),
        (sms_challenge, app.last_code()),
        (generic_challenge, generic_code),
    ] {
        let expired = app.verify(&challenge, &code).await.expect(422);
        assert_eq!(
            expired,
            json!({
                "code": "authentication_challenge_expired",
                "message": format!("The authentication challenge '{challenge}' has expired."),
            })
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_still_verifies_just_before_it_expires() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    app.advance(599);
    assert!(app.is_valid(&challenge, &app.code_of(&totp, 0)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_one_07_deleting_a_factor_ends_its_challenges() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    app.delete(&format!("/auth/factors/{}", totp.id), 204).await;
    let gone = app.verify(&challenge, &app.code_of(&totp, 0)).await.expect(404);
    insta::assert_snapshot!(app.named(&[&gone]), @r#"{"code":"entity_not_found","entity_id":"<challenge 1>","message":"Authentication Challenge not found: '<challenge 1>'."}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_sdk_names_the_challenge_in_the_body() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    let path = "/auth/factors/verify";
    insta::assert_snapshot!(app.post(path, json!({}), 422).await, @r#"{"code":"invalid_request_parameters","errors":[{"code":"authentication_challenge_id must not be empty","field":"authentication_challenge_id"},{"code":"code must not be empty","field":"code"}],"message":"Validation failed"}"#);
    let body = json!({"authentication_challenge_id": challenge, "code": app.code_of(&totp, 0)});
    assert_eq!(app.post(path, body, 201).await["valid"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_never_replays_a_verify() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    let path = format!("/auth/challenges/{challenge}/verify");
    let body = json!({"code": app.code_of(&totp, 0)});
    let request = || app.authorized(Method::POST, &path).header("idempotency-key", "retry-1").json(&body);
    assert_eq!(send(request()).await.expect(201)["valid"], true);
    send(request()).await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_08_no_header_or_field_moves_the_clock() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    let request = app
        .authorized(Method::POST, &format!("/auth/challenges/{challenge}/verify"))
        .header("date", "Tue, 15 Nov 1994 08:12:31 GMT")
        .header("x-amz-date", "19941115T081231Z")
        .json(&json!({"code": app.code_of(&totp, 40), "now": 0, "time": "1994-11-15T08:12:31Z"}));
    assert_eq!(send(request).await.expect(201)["valid"], false);
}
