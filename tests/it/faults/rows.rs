//! The rows that ask for more than one failing call, for time, or for none.

use super::operation::Operation;
use super::{ask, assemble, first_call, is_unavailable, read_consistently, stored};
use crate::app::{App, logged, send};
use cli::serve::faults::{Call, Fault, Faults, QUICK};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn flt_02_a_write_whose_response_was_lost_counts_once() {
    use Fault::{ServerError, TimeoutAfter as ResponseLost, TimeoutBefore as RequestLost};
    let app = App::start_with_faults(Faults::none()).await;
    // The client tries three times; after that the store repeats the call.
    for faults in [
        vec![ResponseLost],
        vec![RequestLost],
        vec![ResponseLost, ServerError],
        vec![ServerError, ResponseLost],
        vec![ResponseLost; 3],
        vec![ResponseLost, RequestLost, RequestLost],
        vec![RequestLost, RequestLost, ResponseLost],
    ] {
        let (totp, challenge) = app.challenged().await;
        let code = app.code_of(&totp, 0);
        let planned = faults.clone();
        let mut first = first_call("UpdateItem");
        app.faults().plan(move |call| first(call).then(|| planned.get(call.tries - 1).copied()).flatten());
        assert!(app.is_valid(&challenge, &code).await, "{faults:?}");
        let calls = app.faults().calls();
        let write = calls.iter().find(|call| call.operation == "UpdateItem").unwrap();
        assert!(write.tries >= faults.len(), "{faults:?} were played");
        app.faults().plan(|_| None);
        assert_eq!(app.verify(&challenge, &code).await.status, 422, "{faults:?}: spent once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_03_of_parallel_verifies_whose_responses_are_lost_one_succeeds() {
    let app = App::start_with_faults(Faults::none()).await;
    for lost_tries in [1, usize::MAX].repeat(5) {
        let (totp, challenge) = app.challenged().await;
        let code = app.code_of(&totp, 0);
        let mut first = first_call("UpdateItem");
        app.faults()
            .plan(move |call| (first(call) && call.tries <= lost_tries).then_some(Fault::TimeoutAfter));
        let verify = || app.verify(&challenge, &code);
        let (first, second, third) = tokio::join!(verify(), verify(), verify());
        let answers = [first, second, third];
        app.faults().plan(|_| None);

        let successes =
            answers.iter().filter(|answer| answer.status == 201 && answer.json()["valid"] == true);
        assert_eq!(successes.count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert!([422, 503].contains(&answer.status), "{}", answer.text);
        }
        let guard = stored(&app, &totp.id).await.unwrap().guard;
        assert_eq!(guard.spent.values().map(|spent| spent.attempts.len()).sum::<usize>(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_02_an_enrollment_whose_responses_were_lost_makes_one_factor() {
    let app = App::start_with_faults(Faults::none()).await;
    for (number, lost) in [1, 3].into_iter().enumerate() {
        let user = format!("user_{number}");
        let route = format!("/user_management/users/{user}/auth_factors");
        // The factor is the second item; the response of each of its first calls is lost, all tries of it.
        let mut calls = Vec::new();
        app.faults().plan(move |call| {
            if call.operation == "PutItem" && !calls.contains(&call.number) {
                calls.push(call.number);
            }
            let nth = calls.iter().position(|seen| *seen == call.number);
            nth.is_some_and(|nth| (1..=lost).contains(&nth)).then_some(Fault::TimeoutAfter)
        });
        let request = app.authorized(Method::POST, &route).json(&json!({"type": "totp"}));
        let enrolled = send(request).await.expect(201)["authentication_factor"]["id"].clone();
        assert_eq!(app.faults().injected()[&Fault::TimeoutAfter], 3 * u64::try_from(lost).unwrap());
        app.faults().plan(|_| None);
        let list = send(app.authorized(Method::GET, &route)).await.expect(200)["data"].clone();
        assert_eq!(
            list.as_array().unwrap().iter().map(|factor| &factor["id"]).collect::<Vec<_>>(),
            [&enrolled]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_04_flt_07_a_table_that_cannot_be_written_tells_no_verdict_and_takes_no_guess() {
    let app = App::start_with_faults(Faults::none()).await;
    let (totp, challenge) = app.challenged().await;
    for fault in [Fault::Throttle, Fault::ServerError, Fault::TimeoutBefore, Fault::Conflict] {
        app.faults().plan(move |call| (call.operation == "UpdateItem").then_some(fault));
        // More often than there are guesses.
        for code in [app.code_of(&totp, 0), app.wrong_code(&totp)] {
            is_unavailable(&app.verify(&challenge, &code).await);
        }
    }
    app.faults().plan(|_| None);
    assert_eq!(stored(&app, &totp.id).await.unwrap().guard.version, 0);
    assert!(app.is_valid(&challenge, &app.code_of(&totp, 0)).await, "no guess was spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_05_decisions_rest_on_consistent_reads() {
    let app = App::start_with_faults(Faults::none()).await;
    for (number, operation) in Operation::ALL.into_iter().enumerate() {
        let scene = operation.arrange(&app, number).await;
        app.faults().plan(|_| None);
        let answer = send(operation.request(&app, &scene)).await;
        assert!(operation.answered(&answer));
        let calls = app.faults().calls();
        assert_eq!(calls[0].operation, "GetItem", "the API key, which is not cached any more");
        read_consistently(operation, &calls);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_13_all_is_done_when_the_answer_is_there() {
    let app = App::start().await;
    for (number, operation) in Operation::ALL.into_iter().enumerate() {
        let scene = operation.arrange(&app, number).await;
        let request = operation.request(&app, &scene);
        let routes = assemble(&app, &app.local.dynamodb_url, &app.local.sns_url);
        // As Lambda freezes a function after its answer, for good.
        let frozen = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let answer = runtime.block_on(ask(routes, request));
            runtime.shutdown_background();
            answer
        });
        let answer = tokio::task::spawn_blocking(|| frozen.join().unwrap()).await.unwrap();
        assert!(operation.answered(&answer));
        operation.settled(&app, &scene, &answer, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_15_without_sns_everything_but_messages_works() {
    let app = App::start_with_faults(Faults::none()).await;
    for (day, fault) in QUICK.into_iter().filter(|fault| *fault != Fault::Conflict).enumerate() {
        let plan = move |call: &Call| (call.operation == "Publish").then_some(fault);
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            app.faults().plan(|_| None);
            let scene = operation.arrange(&app, day * Operation::ALL.len() + number).await;
            app.faults().plan(plan);
            let answer = send(operation.request(&app, &scene)).await;
            assert_eq!(operation.answered(&answer), operation != Operation::ChallengeSms, "{operation:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_17_a_panic_is_one_request_s_500() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    let routes = assemble(&app, &app.local.dynamodb_url, &app.local.sns_url);
    for _ in 0..2 {
        let panicked = ask(routes.clone(), app.request(Method::GET, "/panic")).await;
        let body = json!({"code": "internal_server_error", "message": "An internal error occurred."});
        assert_eq!(panicked.expect(500), body);
        assert_eq!(panicked.headers["x-request-id"].len(), 36);
        let path = format!("/auth/challenges/{challenge}/verify");
        let wrong = json!({"code": app.wrong_code(&totp)});
        let next = ask(routes.clone(), app.authorized(Method::POST, &path).json(&wrong)).await;
        assert_eq!(next.expect(201)["valid"], false);
    }
    assert!(app.is_valid(&challenge, &app.code_of(&totp, 0)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_a_table_that_cannot_be_reached_gives_503_everywhere() {
    let app = App::start().await;
    for (number, operation) in Operation::ALL.into_iter().enumerate() {
        let scene = operation.arrange(&app, number).await;
        let request = operation.request(&app, &scene);
        is_unavailable(&ask(assemble(&app, "http://127.0.0.1:1", &app.local.url), request).await);
    }
    assert!(app.local.outbox.messages().unwrap().is_empty());
    assert!(logged().contains("no connection"), "the cause is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_a_table_that_falls_silent_gives_503_or_the_verdict_it_wrote() {
    let app = App::start_with_faults(Faults::none()).await;
    let (totp, challenge) = app.challenged().await;
    let code = app.code_of(&totp, 0);
    app.faults().plan(|call| (call.operation == "GetItem").then_some(Fault::SilenceBefore));
    is_unavailable(&app.verify(&challenge, &code).await);
    app.faults().plan(|call| (call.operation == "UpdateItem").then_some(Fault::SilenceBefore));
    is_unavailable(&app.verify(&challenge, &code).await);
    let mut first = first_call("UpdateItem");
    app.faults().plan(move |call| first(call).then_some(Fault::SilenceAfter));
    assert!(app.is_valid(&challenge, &code).await, "its write is found again");
    app.faults().plan(|_| None);
    assert_eq!(app.verify(&challenge, &code).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_10_a_message_sns_is_silent_about_is_not_sent_again() {
    let app = App::start_with_faults(Faults::none()).await;
    let scene = Operation::ChallengeSms.arrange(&app, 0).await;
    app.faults().plan(|call| (call.operation == "Publish").then_some(Fault::SilenceAfter));
    let answer = send(Operation::ChallengeSms.request(&app, &scene)).await;
    is_unavailable(&answer);
    let calls = app.faults().calls();
    let published: Vec<_> = calls.iter().filter(|call| call.operation == "Publish").collect();
    assert!(published.len() == 1 && published[0].tries == 1);
    assert_eq!(app.local.outbox.messages().unwrap().len(), 1);
    app.faults().plan(|_| None);
    Operation::ChallengeSms.settled(&app, &scene, &answer, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_with_faults_fails_its_share_of_the_calls_and_the_same_ones_each_time() {
    let statuses = async |share| {
        let app = App::start_with_faults(Faults::random(share, 1)).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(send(app.authorized(Method::GET, "/auth/factors?user_id=nobody")).await.status);
        }
        statuses
    };
    let (once, again, never, always) =
        tokio::join!(statuses(0.3), statuses(0.3), statuses(0.0), statuses(1.0));
    assert_eq!(once, again);
    assert!(once.contains(&200) && once.contains(&503), "{once:?}");
    assert_eq!((never, always), (vec![200; 20], vec![503; 20]));
}
