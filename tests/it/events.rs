//! Every event in `events/`, through `lambda_http`'s own adapter and the routes of the right function.

use crate::app::App;
use crate::architecture::root;
use axum::Router;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt as _;
use serde_json::{Value, json};
use shared::domain::sms_text::SmsTemplate;
use shared::http::{app as application, challenge, enroll, factors, verify};
use shared::lambda::behind_gateway;
use shared::sms::{Sms, SmsConfig};
use std::collections::BTreeSet;
use std::fs;

/// What API Gateway would send for an event, with its placeholders filled in.
fn event(name: &str, values: &[(&str, &str)]) -> LambdaRequest {
    let mut text = fs::read_to_string(root().join("events").join(name)).unwrap();
    for (placeholder, value) in values {
        text = text.replace(&format!("{{{{{placeholder}}}}}"), value);
    }
    assert!(!text.contains("{{code}}") && !text.contains("_id}}") && !text.contains("{{api_key}}"), "{name}");
    serde_json::from_str(&text).unwrap()
}

/// The answer a function gives Lambda.
async fn invoke(app: &App, function: Router, event: LambdaRequest) -> Value {
    let service = application(app.local.core.clone(), function);
    let adapter = lambda_http::Adapter::from(behind_gateway(service));
    let answer = adapter.oneshot(LambdaEvent::new(event, Context::default())).await.unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer["isBase64Encoded"], false);
    assert_eq!(answer["headers"]["x-request-id"].as_str().unwrap().len(), 36);
    answer
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_answered_by_its_function_as_the_contract_says() {
    let app = App::start().await;
    let core = || app.local.core.clone();
    let key = app.local.api_key.expose();
    let sms = || {
        let config =
            SmsConfig { sender_id: None, origination_number: None, template: SmsTemplate::default() };
        Sms::new(shared::aws::sns(&cli::serve::sdk(&app.local.sns_url)), config)
    };
    let totp = app.enroll_totp().await;
    let phone = app.enroll_sms().await;
    let doomed = app.enroll_sms().await;
    let (first, second) = (app.challenge(&totp.id).await, app.challenge(&totp.id).await);
    let (code, next_code) = (app.code_of(&totp, 0), app.code_of(&totp, 1));

    let mut seen = BTreeSet::new();
    let mut ask = async |function: Router, name: &str, values: &[(&str, &str)]| {
        seen.insert(name.to_owned());
        invoke(&app, function, event(name, &[values, &[("api_key", key)]].concat())).await
    };
    for (name, kind) in
        [("enroll-totp.json", "totp"), ("enroll-sms.json", "sms"), ("enroll-generic-otp.json", "generic_otp")]
    {
        let answer = ask(enroll::router(core()), name, &[]).await;
        assert_eq!((&answer["statusCode"], &body(&answer)["type"]), (&json!(201), &json!(kind)), "{name}");
    }
    let answer = ask(enroll::router(core()), "enroll-for-user.json", &[]).await;
    assert_eq!(answer["statusCode"], 201);
    assert!(body(&answer)["authentication_challenge"]["id"].is_string());

    for (name, factor) in
        [("challenge.json", &totp.id), ("challenge-legacy.json", &totp.id), ("challenge-sms.json", &phone)]
    {
        let answer = ask(challenge::router(core(), sms()), name, &[("factor_id", factor.as_str())]).await;
        assert_eq!(answer["statusCode"], 201, "{name}");
        assert_eq!(body(&answer)["authentication_factor_id"], *factor);
    }
    assert_eq!(app.local.outbox.messages().len(), 1);

    for (name, challenge, code) in
        [("verify.json", &first, &code), ("verify-legacy.json", &second, &next_code)]
    {
        let values = [("challenge_id", challenge.as_str()), ("code", code.as_str())];
        let answer = ask(verify::router(core()), name, &values).await;
        assert_eq!((&answer["statusCode"], &body(&answer)["valid"]), (&json!(201), &json!(true)), "{name}");
    }

    let answer = ask(factors::router(core()), "read-factor.json", &[("factor_id", &totp.id)]).await;
    assert_eq!((&answer["statusCode"], &body(&answer)["id"]), (&json!(200), &json!(totp.id)));
    for name in ["list-factors.json", "list-for-user.json"] {
        let answer = ask(factors::router(core()), name, &[]).await;
        assert_eq!(
            (&answer["statusCode"], &body(&answer)["object"]),
            (&json!(200), &json!("list")),
            "{name}"
        );
    }
    let answer = ask(factors::router(core()), "delete-factor.json", &[("factor_id", &doomed)]).await;
    assert_eq!(answer["statusCode"], 204);
    app.get(&format!("/auth/factors/{doomed}"), 404).await;

    let files = fs::read_dir(root().join("events")).unwrap().map(|entry| entry.unwrap().path());
    let events: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(seen, events, "every event was replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_13_an_event_as_it_is_lets_nobody_in() {
    let app = App::start().await;
    let text = fs::read_to_string(root().join("events/enroll-totp.json")).unwrap();
    let event = serde_json::from_str(&text).unwrap();
    let answer = invoke(&app, enroll::router(app.local.core.clone()), event).await;
    assert_eq!(answer["statusCode"], 401);
}

/// API Gateway has decoded a path before a function sees it; it must not be decoded twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_called_what_the_gateway_says() {
    let app = App::start().await;
    let text = fs::read_to_string(root().join("events/enroll-for-user.json")).unwrap();
    let text = text.replace("{{api_key}}", app.local.api_key.expose());
    for user in ["a%41", "50%", "jürgen b", "a#b", "a+b", "a;b=c,d"] {
        let mut event: Value = serde_json::from_str(&text).unwrap();
        event["rawPath"] = json!(format!("/user_management/users/{user}/auth_factors"));
        let event = serde_json::from_value(event).unwrap();
        let answer = invoke(&app, enroll::router(app.local.core.clone()), event).await;
        assert_eq!(body(&answer)["authentication_factor"]["user_id"], user);
    }
}
