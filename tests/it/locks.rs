//! Guessing at a factor: how it locks, what a locked one answers, what that does to other factors, and what is logged.

use crate::app::{App, Totp, other_than, send};
use crate::audit::{bare, lines_with};
use reqwest::Method;
use serde_json::json;

const TOO_MANY: &str = "one_time_code_too_many_attempts";

impl App {
    /// Guesses wrong, each time in a fresh challenge.
    async fn guess_wrong(&self, totp: &Totp, times: usize) {
        for _ in 0..times {
            assert!(!self.is_valid(&self.challenge(&totp.id).await, &self.wrong_code(totp)).await);
        }
    }
}

/// The audit lines of verdicts about a factor, from first to last: their outcomes and what they say of a lock.
fn events_of(factor: &str) -> Vec<(String, Option<String>)> {
    lines_with(bare(factor))
        .into_iter()
        .filter(|line| line["operation"] == "verify" && line["code"].is_null())
        .map(|line| {
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            (text("outcome").unwrap(), text("locked_until"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_new_challenges_do_not_reset_the_limit() {
    let app = App::start().await;
    let (totp, open) = app.challenged().await;
    app.guess_wrong(&totp, 5).await;
    // Design §3: the same refusal for a verify, right or wrong, and for a challenge.
    let path = format!("/auth/factors/{}/challenge", totp.id);
    let refused = app.post(&path, json!({}), 400).await;
    assert_eq!(refused["code"], TOO_MANY);
    for code in [app.code_of(&totp, 0), app.wrong_code(&totp)] {
        assert_eq!(app.verify(&open, &code).await.expect(400), refused);
    }
    app.advance(30);
    assert!(app.is_valid(&open, &app.code_of(&totp, 0)).await, "it says when, and keeps its word");
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_thr_04_a_resent_message_does_not_reset_the_limit() {
    let app = App::start().await;
    let factor = app.enroll_sms().await;
    let first = app.challenge(&factor).await;
    let wrong = other_than(&app.last_code());
    for _ in 0..4 {
        assert!(!app.is_valid(&first, wrong).await);
    }
    app.advance(30);
    let second = app.challenge(&factor).await;
    let wrong = other_than(&app.last_code());
    assert!(!app.is_valid(&second, wrong).await, "the fifth failure in a row");
    assert_eq!(app.refusal(&second, &app.last_code()).await, (400, TOO_MANY.to_owned()));
    app.advance(20);
    app.post(&format!("/auth/factors/{factor}/challenge"), json!({}), 400).await;
    assert_eq!(app.local.outbox.messages().len(), 2, "a locked factor is not sent messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_thr_06_thr_07_a_lock_doubles_and_guesses_during_it_do_not_extend_it() {
    let app = App::start().await;
    let (totp, open) = app.challenged().await;
    app.guess_wrong(&totp, 5).await;
    let until = app.verify(&open, "000000").await.expect(400)["retry_at"].clone();
    for _ in 0..20 {
        assert_eq!(app.verify(&open, &app.wrong_code(&totp)).await.expect(400)["retry_at"], until);
    }
    app.advance(30);
    app.guess_wrong(&totp, 1).await;
    app.advance(59);
    assert_eq!(app.refusal(&open, &app.code_of(&totp, 0)).await, (400, TOO_MANY.to_owned()), "now 60 s");
    app.advance(1);
    assert!(app.is_valid(&open, &app.code_of(&totp, 0)).await);
    // THR-09: a success forgives the consecutive failures.
    app.guess_wrong(&totp, 4).await;
    app.advance(30);
    assert!(app.logs_in(&totp).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_thr_09_locking_one_factor_leaves_the_users_others_usable() {
    let app = App::start().await;
    let (locked, other) = (app.enroll_totp().await, app.enroll_totp().await);
    app.guess_wrong(&locked, 5).await;
    app.post(&format!("/auth/factors/{}/challenge", locked.id), json!({}), 400).await;
    assert!(app.logs_in(&other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn thr_08_the_days_failures_are_not_forgiven_by_a_success() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    for _ in 0..5 {
        app.guess_wrong(&totp, 4).await;
        if events_of(&totp.id).iter().filter(|(event, _)| event == "wrong").count() < 20 {
            app.advance(30);
            assert!(app.logs_in(&totp).await);
        }
    }
    let path = format!("/auth/factors/{}/challenge", totp.id);
    app.advance(60 * 60);
    assert_eq!(app.post(&path, json!({}), 400).await["code"], TOO_MANY);
    app.advance(23 * 60 * 60);
    app.challenge(&totp.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_09_thr_15_replays_and_locks_are_in_the_log() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let code = app.code_of(&totp, 0);
    assert!(app.is_valid(&app.challenge(&totp.id).await, &code).await);
    assert!(!app.is_valid(&app.challenge(&totp.id).await, &code).await);
    app.guess_wrong(&totp, 4).await;
    let events = events_of(&totp.id);
    let names: Vec<&str> = events.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(names, ["ok", "replayed", "wrong", "wrong", "wrong", "wrong"]);
    let locks: Vec<bool> = events.iter().map(|(_, lock)| lock.is_some()).collect();
    assert_eq!(locks, [false, false, false, false, false, true], "the fifth failure in a row locks");
}

/// THR-13: no gateway stands before this server, so the limits are its own.
#[tokio::test(flavor = "multi_thread")]
async fn a4_thr_11_thr_13_no_header_buys_a_guess() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let (first, second) = (app.challenge(&totp.id).await, app.challenge(&totp.id).await);
    let mut verdicts = 0;
    for n in 0..60 {
        let path = format!("/auth/challenges/{}/verify", if n % 2 == 0 { &first } else { &second });
        let request = app
            .authorized(Method::POST, &path)
            .header("x-forwarded-for", format!("198.51.100.{n}"))
            .header("forwarded", format!("for=198.51.100.{n}"))
            .header("cf-connecting-ip", format!("198.51.100.{n}"))
            .header("user-agent", format!("guesser/{n}"))
            .header("idempotency-key", format!("guess-{n}"));
        let answer = send(request.json(&json!({"code": app.wrong_code(&totp)}))).await;
        verdicts += usize::from(answer.json().get("valid").is_some());
    }
    assert_eq!(verdicts, 5, "then the factor is locked, whatever the address");
}
