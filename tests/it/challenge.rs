//! Challenging a factor.

use crate::app::{App, send};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn otp_12_only_a_generic_challenge_carries_its_code() {
    let app = App::start().await;
    let totp = app.enroll_totp().await.id;
    let sms = app.enroll_sms().await;
    let generic = app.enroll(json!({"type": "generic_otp"})).await;
    let open =
        async |factor: &str| app.post(&format!("/auth/factors/{factor}/challenge"), json!({}), 201).await;
    let (totp, sms, generic) = (open(&totp).await, open(&sms).await, open(&generic).await);
    insta::assert_snapshot!(app.named(&[&totp, &sms, &generic]), @r#"
    {"authentication_factor_id":"<factor 1>","created_at":"<+0 ms>","expires_at":"<+600000 ms>","id":"<challenge 1>","object":"authentication_challenge","updated_at":"<+0 ms>"}
    {"authentication_factor_id":"<factor 2>","created_at":"<+0 ms>","expires_at":"<+600000 ms>","id":"<challenge 2>","object":"authentication_challenge","updated_at":"<+0 ms>"}
    {"authentication_factor_id":"<factor 3>","code":"<code 1>","created_at":"<+0 ms>","expires_at":"<+600000 ms>","id":"<challenge 3>","object":"authentication_challenge","updated_at":"<+0 ms>"}
    "#);
    assert_eq!(app.local.outbox.messages().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sms_06_a_message_is_transactional_and_has_a_price_limit() {
    let app = App::start().await;
    let factor = app.enroll_sms().await;
    app.challenge(&factor).await;
    let messages = app.local.outbox.messages().unwrap();
    assert_eq!(messages[0].to, "+15005550006");
    assert!(messages[0].message.starts_with("Your verification code is "), "the default text");
    let attributes: Vec<(&str, &str)> =
        messages[0].attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [("AWS.SNS.SMS.MaxPrice", "0.100000"), ("AWS.SNS.SMS.SMSType", "Transactional")];
    assert_eq!(attributes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn sms_06_a_message_has_the_deployments_sender_number_price_and_text() {
    let app = App::start_with(&[
        ("LATCHKEY_SMS_SENDER_ID", "FOOCORP"),
        ("LATCHKEY_SMS_ORIGINATION_NUMBER", "+12025550123"),
        ("LATCHKEY_SMS_MAX_PRICE_USD", "0.05"),
        ("LATCHKEY_SMS_TEMPLATE", "Foo Corp: {{code}}"),
    ])
    .await;
    app.challenge(&app.enroll_sms().await).await;
    let message = app.local.outbox.messages().unwrap().pop().unwrap();
    assert!(message.message.starts_with("Foo Corp: "));
    let attributes: Vec<_> = message.attributes.into_iter().collect();
    let expected = [
        ("AWS.MM.SMS.OriginationNumber", "+12025550123"),
        ("AWS.SNS.SMS.MaxPrice", "0.050000"),
        ("AWS.SNS.SMS.SMSType", "Transactional"),
        ("AWS.SNS.SMS.SenderID", "FOOCORP"),
    ];
    assert_eq!(attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a19_sms_07_a_template_says_what_is_sent_and_a_bad_one_sends_nothing() {
    let app = App::start().await;
    let factor = app.enroll_sms().await;
    let path = format!("/auth/factors/{factor}/challenge");
    app.post(&path, json!({"sms_template": "Foo Corp: {{code}} — 你好"}), 201).await;
    let message = app.last_message();
    assert!(message.starts_with("Foo Corp: ") && message.ends_with(" — 你好"));
    let too_long = "a".repeat(155) + "{{code}}";
    for template in ["no code", "{{code}}{{code}}", "{{code}}\u{0}", &too_long] {
        let refused = app.post(&path, json!({"sms_template": template}), 422).await;
        assert_eq!(refused["errors"][0]["field"], "sms_template", "{template:?}");
    }
    let before = app.dump().await.len();
    app.post(&path, json!({"sms_template": 5}), 422).await;
    assert_eq!(app.local.outbox.messages().unwrap().len(), 1);
    assert_eq!(app.dump().await.len(), before, "no challenge was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_an_absent_template_is_absent() {
    let app = App::start().await;
    let sms = app.enroll_sms().await;
    let path = format!("/auth/factors/{sms}/challenge");
    for body in ["{}", "[]", "null", "", "  ", r#"{"sms_template":null}"#, r#"{"sms_template":""}"#] {
        let request = app.authorized(Method::POST, &path).header("content-type", "application/json");
        send(request.body(body)).await.expect(201);
        assert!(app.last_message().starts_with("Your verification code is "), "{body}");
        app.advance(600);
    }
    send(app.authorized(Method::POST, &path)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_sdk_names_the_factor_in_the_body() {
    let app = App::start().await;
    let factor = app.enroll_totp().await.id;
    let path = "/auth/factors/challenge";
    let body = json!({"authentication_factor_id": factor, "sms_template": null});
    assert_eq!(app.post(path, body, 201).await["authentication_factor_id"], factor);
    let refused = app.post(path, json!({"authentication_factor_id": ""}), 422).await;
    let unknown = app.post(path, json!({"authentication_factor_id": "auth_factor_invalid"}), 404).await;
    insta::assert_snapshot!(app.named(&[&refused, &unknown]), @r#"
    {"code":"invalid_request_parameters","errors":[{"code":"authentication_factor_id must not be empty","field":"authentication_factor_id"}],"message":"Validation failed"}
    {"code":"entity_not_found","entity_id":"auth_factor_invalid","message":"Authentication Factor not found: 'auth_factor_invalid'."}
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn exp_05_a_challenges_ttl_is_in_seconds_a_day_after_its_expiry() {
    let app = App::start().await;
    let factor = app.enroll_totp().await.id;
    let challenge = app.challenge(&factor).await;
    let items = app.dump().await;
    let item = app.item(&challenge).await;
    let number = |name: &str| item[name].as_n().unwrap().parse::<i64>().unwrap();
    assert_eq!(number("ttl"), number("expires_at") / 1_000 + 24 * 60 * 60);
    assert_eq!(items.iter().filter(|item| item.contains_key("ttl")).count(), 1, "a factor never expires");
}
