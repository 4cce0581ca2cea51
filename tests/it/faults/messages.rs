//! The rows of text messages: refusals of SNS, conflicts between reservations, and what a failure costs.

use super::{ask, assemble, is_unavailable};
use crate::app::{Answer, App, send};
use axum::Router;
use axum::response::IntoResponse as _;
use cli::serve::faults::{Call, Fault, Faults};
use http::StatusCode;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

/// The idempotency key of a request that is repeated.
const KEY: Option<&str> = Some("login-1");

/// An SNS that refuses every message, as SNS does; its own text names the number.
pub(crate) async fn refusing(status: StatusCode, code: &'static str) -> String {
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
    for (code, status, error) in [
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
        let answer = ask(routes, app.text_request(&factor, None)).await;
        assert_eq!(answer.expect(status)["code"], error, "{code}");
        assert!(
            error == "invalid_phone_number" || !answer.text.contains("+1500"),
            "{code}: SNS's message is in the answer"
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
        let answer = send(app.authorized(Method::POST, &path).json(&json!({}))).await;
        if answer.status == 503 {
            is_unavailable(&answer);
            published += 1;
        } else {
            assert_eq!(answer.expect(422)["code"], "sms_send_limit_exceeded");
        }
        app.advance(300);
    }
    assert!(published <= 10, "{published} tries at SNS within four hours");
    assert!(app.local.outbox.messages().unwrap().is_empty());
}

/// Fails the call `nth` to `operation`, from 0, with all its tries.
fn nth(operation: &'static str, nth: usize, fault: Fault) -> impl FnMut(&Call) -> Option<Fault> + Send {
    let mut seen = Vec::new();
    move |call| {
        if call.operation == operation && !seen.contains(&call.number) {
            seen.push(call.number);
        }
        (call.operation == operation && seen.get(nth) == Some(&call.number)).then_some(fault)
    }
}

/// Asserts that an answer is 201, and that the only message's code verifies its challenge.
async fn sent_once(app: &App, answer: &Answer) {
    let challenge = answer.expect(201);
    assert_eq!(app.local.outbox.messages().unwrap().len(), 1);
    assert!(app.is_valid(challenge["id"].as_str().unwrap(), &app.last_code()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_09_a_message_of_unknown_fate_is_promised_to_no_one_and_counts_as_sent() {
    let app = App::start_with_faults(Faults::none()).await;
    let factor = app.enroll_sms().await;
    app.faults().plan(nth("Publish", 0, Fault::TimeoutAfter));
    is_unavailable(&app.text(&factor, KEY).await);
    // The SDK's own retries: the first attempt may still find out.
    is_unavailable(&app.text(&factor, KEY).await);
    app.advance(20);
    // It cannot any more. The cooldown decides.
    assert_eq!(app.text(&factor, KEY).await.expect(422)["code"], "sms_send_limit_exceeded");
    app.advance(10);
    app.local.outbox.clear().unwrap();
    sent_once(&app, &app.text(&factor, KEY).await).await;
}

/// F4, S1: the transaction's answer is lost, with all tries; reading back finds it.
#[tokio::test(flavor = "multi_thread")]
async fn flt_08_a_reservation_whose_response_was_lost_is_found_and_its_message_sent() {
    for transaction in [0, 1] {
        let app = App::start_with_faults(Faults::none()).await;
        let factor = app.enroll_sms().await;
        app.faults().plan(nth("TransactWriteItems", transaction, Fault::TimeoutAfter));
        sent_once(&app, &app.text(&factor, KEY).await).await;
    }
}

/// F4, S1: the transaction's answer is lost, and so is the read that would find it. The retry sends.
#[tokio::test(flavor = "multi_thread")]
async fn flt_11_a_repeat_sends_what_was_reserved_and_never_tried() {
    let app = App::start_with_faults(Faults::none()).await;
    let factor = app.enroll_sms().await;
    app.faults().plan(|call| match (call.operation.as_str(), call.number) {
        ("TransactWriteItems", _) => Some(Fault::TimeoutAfter),
        ("GetItem", 2..) => Some(Fault::ServerError),
        _ => None,
    });
    is_unavailable(&app.text(&factor, KEY).await);
    app.faults().plan(|_| None);
    sent_once(&app, &app.text(&factor, KEY).await).await;
    let budgets = app.dump().await.into_iter().filter_map(|mut item| item.remove("used"));
    let used: Vec<_> = budgets.map(|used| used.as_n().unwrap().clone()).collect();
    assert!(used.iter().all(|used| ["1", "100000"].contains(&used.as_str())), "charged once: {used:?}");
}

/// S3: what SNS refused costs the retry of the same request no cooldown.
#[tokio::test(flavor = "multi_thread")]
async fn flt_09_a_message_that_was_certainly_not_sent_is_sent_by_the_retry() {
    let app = App::start_with_faults(Faults::none()).await;
    let factor = app.enroll_sms().await;
    app.faults().plan(nth("Publish", 0, Fault::Throttle));
    is_unavailable(&app.text(&factor, KEY).await);
    assert_eq!(
        app.text(&factor, None).await.expect(422)["code"],
        "sms_send_limit_exceeded",
        "another request waits"
    );
    app.advance(29);
    sent_once(&app, &app.text(&factor, KEY).await).await;
    app.advance(29);
    assert_eq!(app.get(&format!("/auth/factors/{factor}"), 200).await["type"], "sms");
    app.text(&factor, None).await.expect(422);
}

/// A message was sent, and only the mark of it is missing: the promise was kept, so it is answered 201.
#[tokio::test(flavor = "multi_thread")]
async fn flt_08_a_message_that_cannot_be_marked_as_sent_was_sent_all_the_same() {
    let app = App::start_with_faults(Faults::none()).await;
    let factor = app.enroll_sms().await;
    app.faults().plan(nth("TransactWriteItems", 2, Fault::ServerError));
    sent_once(&app, &app.text(&factor, KEY).await).await;
    is_unavailable(&app.text(&factor, KEY).await);
    assert_eq!(app.local.outbox.messages().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_11_the_same_request_ten_times_at_once_sends_one_message() {
    let app = App::start().await;
    let factor = app.enroll_sms().await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..10 {
        asking.spawn(send(app.text_request(&factor, KEY)));
    }
    let answers = asking.join_all().await;
    let challenges: BTreeSet<String> =
        answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.text.clone()).collect();
    assert_eq!(challenges.len(), 1, "one challenge in all answers that have one");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        is_unavailable(answer);
    }
    sent_once(&app, &app.text(&factor, KEY).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_06_conflicts_are_tried_again_and_then_given_up() {
    let app = App::start_with_faults(Faults::none()).await;
    let (first, second) = (app.enroll_phone("+15005550006").await, app.enroll_phone("+15005550007").await);
    let conflicts = |lasting: usize| {
        let mut seen = 0;
        move |call: &Call| {
            seen += usize::from(call.operation == "TransactWriteItems");
            (call.operation == "TransactWriteItems" && seen <= lasting).then_some(Fault::Conflict)
        }
    };
    app.faults().plan(conflicts(2));
    app.challenge(&first).await;
    app.faults().plan(conflicts(usize::MAX));
    is_unavailable(&app.text(&second, None).await);
    let tried = app.faults().calls().iter().filter(|call| call.operation == "TransactWriteItems").count();
    assert_eq!(tried, shared::http::challenge::MAX_LOG_WRITE_TRIES);
    assert_eq!(app.local.outbox.messages().unwrap().len(), 1, "only what was reserved was sent");
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
