//! One login, as an impatient user does it: it repeats what is answered 503, and verifies twice at once.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::ports::{Clock as _, SystemClock};
use std::time::{Duration, Instant};
use tests::client::{Client, Totp};

/// How often a client tries again after a 503.
const TRIES: usize = 50;

/// A user of the API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct User(pub(crate) Client);

/// The answers to one login.
#[derive(Default)]
pub(crate) struct Login {
    /// The factor, once its enrolment was answered.
    pub(crate) factor: Option<String>,
    /// How long each answer took.
    pub(crate) latencies: Vec<Duration>,
    /// Answers 503.
    pub(crate) unavailable: usize,
    /// Verdicts that were returned, right or wrong.
    pub(crate) verdicts: usize,
    /// Verdicts `valid:true`. The code was good once.
    pub(crate) successes: usize,
    /// Verdicts that the code did not earn: a wrong one that is valid, a fresh right one that is not.
    pub(crate) unearned: usize,
    /// The factor could not be read at the end, though it was enrolled.
    pub(crate) lost: bool,
    /// Whether the challenge was verified by a request whose response was lost.
    pub(crate) unseen: bool,
    /// What no server should answer.
    pub(crate) odd: Vec<String>,
}

impl User {
    /// Enrolls, guesses wrong now and then, verifies twice at once, tries the code again, and reads the factor.
    pub(crate) async fn log_in(&self, number: usize) -> Login {
        let mut login = Login::default();
        let body = json!({"type": "totp", "totp_issuer": "Load", "totp_user": format!("user {number}")});
        let Some(enrolled) = self.insist(&mut login, Method::POST, "/auth/factors/enroll", &body).await
        else {
            return login;
        };
        let totp = Totp::of(&enrolled);
        login.factor = Some(totp.id.clone());
        let challenge = format!("/auth/factors/{}/challenge", totp.id);

        if let Some(path) = self.open(&mut login, &challenge).await {
            let code = totp.code(SystemClock.now(), 0);
            if number.is_multiple_of(3) {
                self.guess(&mut login, &path, &totp.wrong_code(SystemClock.now())).await;
            }
            let (mut first, mut second) = (Login::default(), Login::default());
            tokio::join!(self.verify(&mut first, &path, &code), self.verify(&mut second, &path, &code));
            login.add(first);
            login.add(second);
            if let Some(path) = self.open(&mut login, &challenge).await {
                // Spent, unless no verdict was reached before: then it is good now.
                let spent = login.successes > 0 || login.unseen;
                let before = login.successes;
                let answer = self.attempt(&mut login, &path, &code).await;
                login.unearned += usize::from(answer == Some(true) && spent && before == 0);
            }
        }
        let path = format!("/auth/factors/{}", totp.id);
        login.lost = self.insist(&mut login, Method::GET, &path, &Value::Null).await.is_none();
        login
    }

    async fn open(&self, login: &mut Login, challenge: &str) -> Option<String> {
        let opened = self.insist(login, Method::POST, challenge, &json!({})).await?;
        Some(format!("/auth/challenges/{}/verify", opened["id"].as_str().unwrap()))
    }

    async fn guess(&self, login: &mut Login, path: &str, code: &str) {
        let answer = self.attempt(login, path, code).await;
        login.unearned += usize::from(answer == Some(true));
    }

    async fn verify(&self, login: &mut Login, path: &str, code: &str) {
        let answer = self.attempt(login, path, code).await;
        login.unearned += usize::from(answer == Some(false));
    }

    /// The verdict on a code; `None` if it is refused.
    async fn attempt(&self, login: &mut Login, path: &str, code: &str) -> Option<bool> {
        let answer = self.insist(login, Method::POST, path, &json!({ "code": code })).await?;
        let Some(valid) = answer["valid"].as_bool() else {
            login.unseen |= answer["code"] == "authentication_challenge_previously_verified";
            return None;
        };
        login.verdicts += 1;
        login.successes += usize::from(valid);
        Some(valid)
    }

    /// Asks until there is another answer than 503: a success's body, or a 422's; `None` if there never is.
    pub(crate) async fn insist(
        &self,
        login: &mut Login,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Option<Value> {
        for _ in 0..TRIES {
            #[expect(clippy::disallowed_methods, reason = "this measures")]
            let asked = Instant::now();
            let request = self.0.authorized(method.clone(), path);
            let request = if body.is_null() { request } else { request.json(body) };
            let answer = request.send().await.unwrap();
            login.latencies.push(asked.elapsed());
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            match status {
                StatusCode::SERVICE_UNAVAILABLE => {
                    login.unavailable += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                _ if status.is_success() || status == StatusCode::UNPROCESSABLE_ENTITY => {
                    return Some(serde_json::from_str(&text).unwrap());
                }
                _ => {
                    login.odd.push(format!("{method} {path}: {status} {text}"));
                    return None;
                }
            }
        }
        login.odd.push(format!("{method} {path}: 503, {TRIES} times"));
        None
    }
}

impl Login {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.unavailable += other.unavailable;
        self.verdicts += other.verdicts;
        self.successes += other.successes;
        self.unearned += other.unearned;
        self.unseen |= other.unseen;
        self.odd.extend(other.odd);
    }
}
