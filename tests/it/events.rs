//! Every event in `events/`, and events no client of ours sends, as Lambda hands them to the right function.

use crate::app::App;
use crate::audit::lines_with;
use crate::canary::remember_all_in;
use axum::Router;
use proptest::collection::hash_map;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use shared::domain::sms_text::SmsTemplate;
use shared::http::{challenge, enroll, factors, verify};
use shared::lambda::Gateway;
use shared::sms::{Sms, SmsConfig};
use tests::events::{Target, filled, replay};

/// The answer a function gives Lambda.
async fn invoke(app: &App, function: Router, event: &str) -> Value {
    let answer = Gateway::new(app.local.core.clone(), function).answer(event).await.unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!((&answer["isBase64Encoded"], &answer["cookies"]), (&json!(false), &json!([])));
    answer
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

/// The rig compares the answers of the release binaries with the same snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_answered_by_its_function_as_the_contract_says() {
    let app = App::start().await;
    let (core, keyring, url) = (&app.local.core, &app.local.keyring, &app.local.sns_url);
    let config = SmsConfig { sender_id: None, origination_number: None, template: SmsTemplate::default() };
    let sms = Sms::new(shared::aws::sns(&shared::aws::on_this_machine(url)), config);
    let (key, clock, outbox) = (app.local.api_key.expose(), &app.local.clock, &app.local.outbox);
    let transcript = replay(Target { key, clock, outbox }, async |function, event| {
        let function = match function {
            "enroll" => enroll::router(core.clone(), keyring.clone()),
            "challenge" => challenge::router(core.clone(), keyring.clone(), sms.clone()),
            "verify" => verify::router(core.clone(), keyring.clone()),
            _ => factors::router(core.clone()),
        };
        let answer = invoke(&app, function, &event).await;
        remember_all_in(
            &app.local.url,
            &serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default(),
        );
        answer
    })
    .await;
    insta::assert_snapshot!("answers", transcript);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_13_an_event_as_it_is_is_refused() {
    let app = App::start().await;
    let answer = invoke(
        &app,
        enroll::router(app.local.core.clone(), app.local.keyring.clone()),
        &filled("enroll-totp", &[]),
    )
    .await;
    assert_eq!(answer["statusCode"], 401);
}

/// API Gateway has decoded a path before a function sees it; it must not be decoded twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_called_what_the_gateway_says() {
    let app = App::start().await;
    let text = filled("enroll-for-user", &[("api_key", app.local.api_key.expose())]);
    for user in ["a%41", "50%", "jürgen b", "a#b", "a+b", "a;b=c,d"] {
        let mut event: Value = serde_json::from_str(&text).unwrap();
        event["rawPath"] = json!(format!("/user_management/users/{user}/auth_factors"));
        let answer = invoke(
            &app,
            enroll::router(app.local.core.clone(), app.local.keyring.clone()),
            &event.to_string(),
        )
        .await;
        assert_eq!(body(&answer)["authentication_factor"]["user_id"], user);
    }
}

/// Sends the function an event; the answer's status and code, once both it and its audit line are what a client and an
/// operator may rely on.
async fn outcome(app: &App, event: &str) -> (u64, String) {
    let answer = invoke(app, factors::router(app.local.core.clone()), event).await;
    let status = answer["statusCode"].as_u64().unwrap();
    let lines = lines_with(answer["headers"]["x-request-id"].as_str().unwrap());
    assert_eq!(lines.len(), 1, "one line per request");
    assert_eq!(lines[0]["outcome"], if status < 400 { "ok" } else { "refused" });
    assert_eq!(answer["headers"]["cache-control"], "no-store");
    assert_eq!(answer["headers"]["content-type"], "application/json; charset=utf-8");
    let body = body(&answer);
    if status < 400 {
        return (status, String::new());
    }
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    assert_eq!(lines[0]["code"], body["code"]);
    (status, body["code"].as_str().unwrap().to_owned())
}

/// F5
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_request_fits_is_answered_in_the_contracts_shape() {
    let app = App::start().await;
    let event = filled("list-factors", &[("api_key", app.local.api_key.expose())]);
    let mut event: Value = serde_json::from_str(&event).unwrap();
    // Each of the events below gets an ID of its own.
    assert!(event["requestContext"].as_object_mut().unwrap().remove("requestId").is_some());
    let with = |pointer: &str, value: Value| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut event = event.clone();
        event.pointer_mut(parent).unwrap()[name] = value;
        event
    };
    let without = |name: &str| {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove(name);
        event
    };
    let query = |query: &str| with("/rawQueryString", json!(format!("user_id=u&x={query}")));
    let header = |name: &str, value: &str| with(&format!("/headers/{name}"), json!(value));
    let (ok, unreadable) = ((200, String::new()), (400, "malformed_request".to_owned()));
    let refused = |status, code: &str| (status, code.to_owned());
    for (event, expected) in [
        (event.clone(), ok.clone()),
        // The query as no URI has it.
        (query("\""), ok.clone()),
        (query("<>"), ok.clone()),
        (query(" "), ok.clone()),
        (query("\u{0}\u{1f}\u{7f}"), ok.clone()),
        (query("ü\u{202e}"), ok.clone()),
        (query("%"), ok.clone()),
        (query("#"), ok.clone()),
        (query("%ff"), unreadable.clone()),
        (with("/rawQueryString", json!(null)), refused(422, "invalid_request_parameters")),
        // Where it was sent to.
        (header("x-forwarded-proto", "https,https"), ok.clone()),
        (header("x-forwarded-proto", ""), ok.clone()),
        (header("x-forwarded-proto", ":"), ok.clone()),
        (header("x-forwarded-proto", "1"), ok.clone()),
        (header("x-forwarded-port", "99999"), ok.clone()),
        (header("host", "a b"), ok.clone()),
        (header("host", "x:99999"), ok.clone()),
        (header("host", "%"), ok.clone()),
        (header("host", "["), ok.clone()),
        (header("host", ""), ok.clone()),
        // Headers.
        (header("x-note", "a\r\nb: c"), ok.clone()),
        (header("x note", "a"), ok.clone()),
        (header("x-note", &"a".repeat(1_000_000)), ok.clone()),
        (with("/headers/x-note", json!(["a"])), ok.clone()),
        (header("authorization", "Bearer \r\n"), refused(401, "unauthorized")),
        (without("headers"), refused(401, "unauthorized")),
        // The rest of the event.
        (without("cookies"), ok.clone()),
        (with("/body", json!(null)), ok.clone()),
        (with("/body", json!({})), unreadable.clone()),
        (with("/requestContext/http/method", json!("GE T")), unreadable.clone()),
        (with("/requestContext/http/method", json!("BREW")), refused(405, "method_not_allowed")),
        (without("requestContext"), unreadable.clone()),
        (without("rawPath"), unreadable.clone()),
        (with("/rawPath", json!("*")), unreadable.clone()),
        (with("/rawPath", json!("/auth/factors/\u{0}")), refused(404, "entity_not_found")),
        (json!({"Records": []}), unreadable.clone()),
        (json!("text"), unreadable.clone()),
    ] {
        assert_eq!(outcome(&app, &event.to_string()).await, expected, "{event:.300}");
    }
    for text in ["\"\\ud800\"".to_owned(), "1e999".to_owned(), "[".repeat(1_000) + &"]".repeat(1_000)] {
        assert_eq!(outcome(&app, &text).await, unreadable, "{text:.40}");
    }
}

/// F5
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_utf8_is_malformed_json() {
    let app = App::start().await;
    let event = filled("enroll-totp", &[("api_key", app.local.api_key.expose())]);
    let mut event: Value = serde_json::from_str(&event).unwrap();
    for (text, code) in [("/w==", "malformed_json"), ("{", "malformed_request")] {
        (event["body"], event["isBase64Encoded"]) = (json!(text), json!(true));
        let answer = invoke(
            &app,
            enroll::router(app.local.core.clone(), app.local.keyring.clone()),
            &event.to_string(),
        )
        .await;
        assert_eq!((&answer["statusCode"], &body(&answer)["code"]), (&json!(400), &json!(code)), "{text}");
    }
}

/// F5
#[tokio::test(flavor = "multi_thread")]
async fn any_query_host_and_header_is_answered() {
    let app = App::start().await;
    let headers = hash_map(any::<String>(), any::<String>(), 0..4);
    let event = (any::<String>(), any::<String>(), any::<String>(), headers).prop_map(
        |(query, host, protocol, mut headers)| {
            headers.extend([("host".to_owned(), host), ("x-forwarded-proto".to_owned(), protocol)]);
            json!({
                "rawPath": "/auth/factors",
                "rawQueryString": query,
                "headers": headers,
                "requestContext": {"http": {"method": "GET"}},
            })
        },
    );
    let runtime = tokio::runtime::Handle::current();
    let result = tokio::task::block_in_place(|| {
        TestRunner::default().run(&event, |event| {
            let (status, _) = runtime.block_on(outcome(&app, &event.to_string()));
            prop_assert_eq!(status, 401);
            Ok(())
        })
    });
    result.unwrap();
}
