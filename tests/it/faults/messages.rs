//! The rows of text messages: refusals of SNS, conflicts between reservations, and what a failure costs.

use super::{ask, assemble, is_unavailable};
use crate::app::App;
use axum::Router;
use axum::response::IntoResponse as _;
use cli::serve::faults::{Fault, Faults};
use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

/// An SNS that refuses every message, as SNS does; its own text names the number.
async fn refusing(status: StatusCode, code: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>Not to +15005550006!</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    let answer = async move || (status, [("content-type", "text/xml")], body).into_response();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    url
}

fn budgets_of(items: &[crate::app::Item]) -> usize {
    items.iter().filter(|item| item["sk"].as_s().unwrap() == "budget").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn sms_10_each_refusal_of_sns_has_one_answer_and_leaves_no_challenge() {
    for (code, status, told) in [
        ("OptedOut", 422, "phone_number_opted_out"),
        ("InvalidParameter", 422, "invalid_phone_number"),
        ("InvalidParameterValue", 422, "invalid_phone_number"),
        ("Throttled", 503, "service_unavailable"),
        ("AuthorizationError", 503, "service_unavailable"),
        ("UserError", 503, "service_unavailable"),
    ] {
        let app = App::start().await;
        let factor = app.enroll_sms().await;
        let routes = assemble(&app, &app.local.dynamodb_url, &refusing(StatusCode::BAD_REQUEST, code).await);
        let before = app.dump().await.len();
        let request =
            app.authorized(Method::POST, &format!("/auth/factors/{factor}/challenge")).json(&json!({}));
        let answer = ask(routes, request).await;
        assert_eq!(answer.expect(status)["code"], told, "{code}");
        assert!(
            told == "invalid_phone_number" || !answer.text.contains("+1500"),
            "{code}: SNS's text is told"
        );
        // FLT-09: what was charged stays charged, what was not sent cannot be verified.
        let items = app.dump().await;
        assert_eq!(items.len(), before + budgets_of(&items), "{code}: a challenge is left");
        assert_eq!(budgets_of(&items), 4, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_09_failures_are_not_refunded_and_end_at_the_limit() {
    let app = App::start_with_faults(Faults::none()).await;
    let factor = app.enroll_sms().await;
    let path = format!("/auth/factors/{factor}/challenge");
    app.faults().plan(|call| (call.operation == "Publish").then_some(Fault::Throttle));
    let mut published = 0;
    for _ in 0..40 {
        let answer = crate::app::send(app.authorized(Method::POST, &path).json(&json!({}))).await;
        if answer.status == 503 {
            is_unavailable(&answer);
            published += 1;
        } else {
            assert_eq!(answer.expect(422)["code"], "sms_send_limit_exceeded");
        }
        app.advance(300);
    }
    assert!(published <= 10, "{published} tries at SNS within four hours");
    assert!(app.local.outbox.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_09_a_message_of_unknown_fate_counts_as_sent() {
    let app = App::start_with_faults(Faults::none()).await;
    let factor = app.enroll_sms().await;
    let path = format!("/auth/factors/{factor}/challenge");
    app.faults().plan(|call| (call.operation == "Publish").then_some(Fault::TimeoutAfter));
    let request =
        || app.authorized(Method::POST, &path).header("idempotency-key", "login-1").json(&json!({}));
    is_unavailable(&crate::app::send(request()).await);
    app.faults().plan(|_| None);
    // The SDK's own retry gets the challenge whose message may have arrived; here it has.
    let challenge: Value = crate::app::send(request()).await.expect(201);
    assert_eq!(app.local.outbox.messages().len(), 1);
    assert!(app.is_valid(challenge["id"].as_str().unwrap(), &app.last_code()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_06_conflicts_are_tried_again_and_then_given_up() {
    let app = App::start_with_faults(Faults::none()).await;
    let (first, second) = (app.enroll_phone("+15005550006").await, app.enroll_phone("+15005550007").await);
    let conflicts = |lasting: usize| {
        let mut seen = 0;
        move |call: &cli::serve::faults::Call| {
            seen += usize::from(call.operation == "TransactWriteItems");
            (call.operation == "TransactWriteItems" && seen <= lasting).then_some(Fault::Conflict)
        }
    };
    app.faults().plan(conflicts(2));
    app.challenge(&first).await;
    app.faults().plan(conflicts(usize::MAX));
    let path = format!("/auth/factors/{second}/challenge");
    is_unavailable(&crate::app::send(app.authorized(Method::POST, &path).json(&json!({}))).await);
    let tried = app.faults().calls().iter().filter(|call| call.operation == "TransactWriteItems").count();
    assert_eq!(tried, shared::domain::policy::RESERVE_ROUNDS);
    assert_eq!(app.local.outbox.messages().len(), 1, "only what was reserved was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_16_a_factor_that_is_throttled_throttles_no_other() {
    let app = App::start_with_faults(Faults::none()).await;
    let (hot, other) = (app.enroll_totp().await, app.enroll_totp().await);
    let (hot_challenge, challenge) = (app.challenge(&hot.id).await, app.challenge(&other.id).await);
    let name = hot.id.clone();
    app.faults()
        .plan(move |call| String::from_utf8_lossy(&call.body).contains(&name).then_some(Fault::Throttle));
    is_unavailable(&app.verify(&hot_challenge, &app.code_of(&hot, 0)).await);
    assert!(app.is_valid(&challenge, &app.code_of(&other, 0)).await, "counters are per factor");
}
