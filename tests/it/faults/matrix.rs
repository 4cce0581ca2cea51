//! Every operation × every call it makes × every fault, on one try of the call and on all of them.

use super::aftermath::attempts;
use super::operation::{Operation, Scene};
use super::{read_consistently, stored};
use crate::app::{Answer, App, send};
use cli::serve::faults::{Call, Fault, Faults, QUICK};
use tokio::task::JoinSet;

/// Asks for `operation` while `plan` decides: the answer, and the calls it took.
async fn ask(
    app: &App,
    operation: Operation,
    scene: &Scene,
    plan: impl FnMut(&Call) -> Option<Fault> + Send + 'static,
) -> (Answer, Vec<Call>) {
    app.faults().plan(plan);
    let answer = send(operation.request(app, scene)).await;
    let calls = app.faults().calls();
    app.faults().plan(|_| None);
    (answer, calls)
}

/// Fails the call `number` of an operation, its first `tries` tries.
async fn cell(app: &App, operation: Operation, scene: usize, number: usize, fault: Fault, tries: usize) {
    let scene = operation.arrange(app, scene).await;
    let plan = move |call: &Call| (call.number == number && call.tries <= tries).then_some(fault);
    let (answer, calls) = ask(app, operation, &scene, plan).await;
    let struck = &calls[number];
    read_consistently(operation, &calls);

    let applied: Vec<Call> = calls.iter().filter(|call| applied(call, fault, number)).cloned().collect();
    if tries == 1 && fault != Fault::Conflict && struck.operation != "Publish" {
        assert!(operation.answered(&answer), "one lost try of {} is made up for", struck.operation);
    }
    if struck.operation == "Publish" {
        // FLT-10: a message that may have been sent is not sent again.
        assert_eq!((struck.tries, answer.status), (1, 503));
        let sent = app.local.outbox.messages().unwrap().len();
        assert_eq!(usize::from(fault == Fault::TimeoutAfter), sent);
    }
    if operation.verifies() && answer.status == 503 && struck.operation == "GetItem" {
        // FLT-07: what fails before the charge costs nothing.
        assert!(calls.iter().all(|call| call.operation == "GetItem"));
        assert_eq!(attempts(app, &scene).await, 0);
        assert_eq!(stored(app, scene.factor()).await.unwrap().guard.version, 0);
    }
    operation.settled(app, &scene, &answer, &applied).await;
    app.local.outbox.clear().unwrap();
}

/// Whether a call was carried out for certain: it was let through, or only its answers were lost.
fn applied(call: &Call, fault: Fault, number: usize) -> bool {
    call.fault.is_none() || (call.number == number && fault == Fault::TimeoutAfter)
}

async fn every_call(operation: Operation, fault: Fault) -> usize {
    let app = App::start_with_faults(Faults::none()).await;
    let scene = operation.arrange(&app, 0).await;
    let (answer, calls) = ask(&app, operation, &scene, |_| None).await;
    assert!(operation.answered(&answer));
    app.local.outbox.clear().unwrap();

    let mut cells = 0;
    for call in calls.iter().filter(|call| call.can_fail_with(fault)) {
        for tries in [1, usize::MAX] {
            cells += 1;
            cell(&app, operation, cells, call.number, fault, tries).await;
        }
    }
    cells
}

async fn every_fault(operation: Operation) {
    let mut kinds = JoinSet::new();
    for fault in QUICK {
        kinds.spawn(every_call(operation, fault));
    }
    let cells: usize = kinds.join_all().await.into_iter().sum();
    assert!(cells >= 16, "two calls at least, four faults, one try and all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_enrolling_an_authenticator_app() {
    every_fault(Operation::EnrollTotp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_enrolling_a_phone() {
    every_fault(Operation::EnrollSms).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_enrolling_for_a_user() {
    every_fault(Operation::EnrollForUser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_challenging_an_authenticator_app() {
    every_fault(Operation::ChallengeTotp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_flt_08_flt_10_challenging_a_phone() {
    every_fault(Operation::ChallengeSms).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_challenging_a_generic_factor() {
    every_fault(Operation::ChallengeGeneric).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_flt_02_flt_07_verifying_the_right_code() {
    every_fault(Operation::VerifyRight).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_flt_04_flt_07_verifying_a_wrong_code() {
    every_fault(Operation::VerifyWrong).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_getting_a_factor() {
    every_fault(Operation::Get).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_listing_factors() {
    every_fault(Operation::List).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_rec_10_creating_recovery_codes() {
    every_fault(Operation::CreateRecoveryCodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_flt_02_rec_10_verifying_a_recovery_code() {
    every_fault(Operation::RecoverRight).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_flt_04_rec_10_verifying_a_wrong_recovery_code() {
    every_fault(Operation::RecoverWrong).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_deleting_a_factor() {
    every_fault(Operation::Delete).await;
}
