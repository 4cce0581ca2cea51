//! A client of the API: of the local server, and of the services beside it that answer the same requests.

use reqwest::{Client as Http, RequestBuilder};
use serde_json::{Value, json};
use shared::domain::totp::{Secret, Step};
use shared::ports::{Clock as _, SystemClock};

/// An enrolled authenticator app.
#[derive(Clone)]
pub struct Factor {
    pub id: String,
    secret: String,
}

impl Factor {
    /// As an enrollment was answered.
    pub fn new(enrolled: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{enrolled}")).to_owned();
        Self { id: text(&enrolled["id"]), secret: text(&enrolled["totp"]["secret"]) }
    }

    /// The code that it shows now.
    pub fn code(&self) -> String {
        code(&self.secret)
    }
}

/// The code of a secret in Base32, now.
pub fn code(secret: &str) -> String {
    let code = Secret::from_base32(secret).unwrap().code_at(Step::at(SystemClock.now())).unwrap();
    code.expose().to_owned()
}

/// A client with connections of its own.
pub struct Client {
    http: Http,
    url: String,
    key: String,
}

impl Client {
    pub fn new(url: &str, key: &str) -> Self {
        Self { http: http(), url: url.to_owned(), key: key.to_owned() }
    }

    /// Enrolls an authenticator app of a user.
    pub async fn enroll(&self, user: &str) -> Factor {
        let body = json!({
            "type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice@example.com", "user_id": user
        });
        Factor::new(&self.post("/auth/factors/enroll", &body).await)
    }

    /// The ID of a new challenge of a factor.
    pub async fn challenge(&self, factor: &Factor) -> String {
        let answer = self.post(&format!("/auth/factors/{}/challenge", factor.id), &json!({})).await;
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Verifies the code that the factor shows, which must be right.
    pub async fn verify(&self, challenge: &str, factor: &Factor) {
        let path = format!("/auth/challenges/{challenge}/verify");
        let answer = self.post(&path, &json!({"code": factor.code()})).await;
        assert_eq!(answer["valid"], true, "{answer}");
    }

    /// Reads a path.
    pub async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Value {
        let response = request.bearer_auth(&self.key).send().await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        assert!(status.is_success(), "{status}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

/// An HTTP client that asks no proxy for this machine.
pub fn http() -> Http {
    Http::builder().no_proxy().build().unwrap()
}
