//! Many requests at once: what is granted once is granted once, however many ask at the same moment.

use crate::app::App;
use serde_json::json;
use std::sync::Arc;
use tokio::task::JoinSet;

/// How often a race is run: a lost update shows only now and then.
const REPEATS: usize = 50;
const PARALLEL: usize = 64;

/// Sends all guesses at once and returns their answers: a status, and the verdict if there was one.
async fn guess_at_once(app: &Arc<App>, guesses: Vec<(String, String)>) -> Vec<(u16, Option<bool>)> {
    let mut racing = JoinSet::new();
    for (challenge, code) in guesses {
        let app = Arc::clone(app);
        racing.spawn(async move {
            let answer = app.verify(&challenge, &code).await;
            (answer.status, answer.json()["valid"].as_bool())
        });
    }
    racing.join_all().await
}

/// Asserts exactly one success.
fn one_success(answers: &[(u16, Option<bool>)]) {
    assert_eq!(successes(answers), 1, "{answers:?}");
}

fn successes(answers: &[(u16, Option<bool>)]) -> usize {
    answers.iter().filter(|(_, verdict)| *verdict == Some(true)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_one_01_parallel_verifies_of_one_right_code_succeed_once() {
    let app = Arc::new(App::start().await);
    for _ in 0..REPEATS {
        let (totp, challenge) = app.challenged().await;
        let guesses = vec![(challenge, app.code_of(&totp, 0)); PARALLEL];
        let answers = guess_at_once(&app, guesses).await;
        one_success(&answers);
        assert!(
            answers.iter().all(|(status, verdict)| [422, 503].contains(status) || *verdict == Some(true)),
            "{answers:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_one_02_parallel_verifies_of_one_step_in_ten_challenges_succeed_once() {
    let app = Arc::new(App::start().await);
    for _ in 0..REPEATS {
        let totp = app.enroll_totp().await;
        let mut challenges = Vec::new();
        for _ in 0..10 {
            challenges.push(app.challenge(&totp.id).await);
        }
        let code = app.code_of(&totp, 0);
        let guesses =
            challenges.into_iter().cycle().map(|challenge| (challenge, code.clone())).take(PARALLEL);
        let answers = guess_at_once(&app, guesses.collect()).await;
        one_success(&answers);
        assert!(answers.iter().all(|(status, _)| [201, 400, 422, 503].contains(status)), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_thr_02_two_hundred_parallel_guesses_get_at_most_five_verdicts() {
    let app = Arc::new(App::start().await);
    for _ in 0..5 {
        let (totp, challenge) = app.challenged().await;
        let answers = guess_at_once(&app, vec![(challenge, app.wrong_code(&totp)); 200]).await;
        let verdicts = answers.iter().filter(|(_, verdict)| verdict.is_some()).count();
        let unknown = answers.iter().any(|(status, _)| *status == 503);
        assert!(
            verdicts == 5 || unknown && verdicts < 5,
            "{verdicts} verdicts, and exactly five are counted"
        );
        assert!(answers.iter().all(|(status, _)| [201, 400, 503].contains(status)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_01_a_texted_code_succeeds_once_in_parallel_too() {
    let app = Arc::new(App::start().await);
    let factor = app.enroll(json!({"type": "generic_otp"})).await;
    for _ in 0..10 {
        let guess = app.generic_challenge(&factor).await;
        let answers = guess_at_once(&app, vec![guess; PARALLEL]).await;
        one_success(&answers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_07_after_a_deletes_answer_no_verify_succeeds() {
    let app = Arc::new(App::start().await);
    for _ in 0..REPEATS {
        let (totp, challenge) = app.challenged().await;
        let guess = (challenge, app.code_of(&totp, 0));
        let racing = tokio::spawn({
            let (app, guess) = (Arc::clone(&app), guess.clone());
            async move { guess_at_once(&app, vec![guess; 4]).await }
        });
        app.delete(&format!("/auth/factors/{}", totp.id), 204).await;
        let late = guess_at_once(&app, vec![guess; 4]).await;
        assert!(late.iter().all(|(status, _)| *status == 404), "{late:?}");
        assert!(successes(&racing.await.unwrap()) <= 1);
    }
}
