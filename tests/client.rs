//! A client of a running server: the API with a key, `/_dev`, and what a user sees on a phone.

use cli::serve::Message;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use shared::domain::time::Timestamp;
use shared::domain::totp::{Secret, Step};
use std::collections::BTreeMap;

/// The URL of a server and an API key. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

/// An enrolled TOTP factor, with the secret that its authenticator app holds.
#[derive(Clone)]
pub struct Totp {
    /// The factor's ID.
    pub id: String,
    /// The secret.
    pub secret: Secret,
}

/// An HTTP client that uses no proxy of the environment. It drops connections before the local server does, after 10 s.
#[must_use]
pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_idle_timeout(std::time::Duration::from_secs(5))
        .build()
        .unwrap()
}

impl Client {
    /// A client of the server at `url`.
    #[must_use]
    pub fn new(url: &str, key: &str) -> Self {
        Self { http: http(), url: url.to_owned(), key: key.to_owned() }
    }

    /// A request without the API key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request with the API key.
    pub fn authorized(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(&self.key)
    }

    /// The text messages in the outbox, oldest first.
    pub async fn messages(&self) -> Vec<Message> {
        self.dev(Method::GET, "sms", None, 200).await.json().await.unwrap()
    }

    /// Moves the server's clock.
    pub async fn advance(&self, seconds: i64) {
        self.dev(Method::POST, "clock", Some(json!({ "advance_seconds": seconds })), 200).await;
    }

    /// Makes this share of the server's calls to AWS fail. The server must have been started with faults.
    pub async fn inject(&self, share: f64, seed: u64) {
        self.dev(Method::POST, "faults", Some(json!({ "share": share, "seed": seed })), 204).await;
    }

    /// How many calls have failed since the last [`Client::inject`], per kind of fault.
    pub async fn injected(&self) -> BTreeMap<String, u64> {
        self.dev(Method::GET, "faults", None, 200).await.json().await.unwrap()
    }

    async fn dev(&self, method: Method, path: &str, body: Option<Value>, status: u16) -> Response {
        let request = self.request(method, &format!("/_dev/{path}"));
        let request = body.iter().fold(request, RequestBuilder::json);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "/_dev/{path}");
        answer
    }
}

impl Totp {
    /// The factor in the answer to its enrollment.
    #[must_use]
    pub fn of(enrolled: &Value) -> Self {
        Self {
            id: enrolled["id"].as_str().unwrap().to_owned(),
            secret: Secret::from_base32(enrolled["totp"]["secret"].as_str().unwrap()).unwrap(),
        }
    }

    /// The code that the authenticator app shows, `steps` steps from `now`.
    #[must_use]
    pub fn code(&self, now: Timestamp, steps: i64) -> String {
        code_at(&self.secret, Step::at(now).0.checked_add_signed(steps).unwrap())
    }

    /// A code that the app shows in no step near `now`.
    #[must_use]
    pub fn wrong_code(&self, now: Timestamp) -> String {
        let near: Vec<String> = (-3..=3).map(|steps| self.code(now, steps)).collect();
        (0..100).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

/// The code of a step.
#[must_use]
pub fn code_at(secret: &Secret, step: u64) -> String {
    secret.code_at(Step(step)).unwrap().expose().to_owned()
}

/// The code in a text message.
#[must_use]
pub fn code_in(message: &str) -> String {
    message.chars().filter(char::is_ascii_digit).collect()
}

/// A code other than `code`.
#[must_use]
pub fn other_than(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}
