//! A client of the API: of the local server, and of the services beside it that answer the same requests.

use reqwest::{Client as Http, RequestBuilder, StatusCode};
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

/// The answer 503: the server is overloaded.
#[derive(Debug)]
pub struct Unavailable;

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
        Factor::new(&self.post("/auth/factors/enroll", &body).await.unwrap())
    }

    /// The ID of a new challenge of a factor.
    pub async fn challenge(&self, factor: &Factor) -> String {
        self.open(factor).await.unwrap()
    }

    /// Verifies the code that the factor shows, which must be right.
    pub async fn verify(&self, challenge: &str, factor: &Factor) {
        self.prove(challenge, factor).await.unwrap();
    }

    /// A challenge and a verify.
    pub async fn log_in(&self, factor: &Factor) -> Result<(), Unavailable> {
        let challenge = self.open(factor).await?;
        self.prove(&challenge, factor).await
    }

    async fn open(&self, factor: &Factor) -> Result<String, Unavailable> {
        let path = format!("/auth/factors/{}/challenge", factor.id);
        Ok(self.post(&path, &json!({})).await?["id"].as_str().unwrap().to_owned())
    }

    async fn prove(&self, challenge: &str, factor: &Factor) -> Result<(), Unavailable> {
        let path = format!("/auth/challenges/{challenge}/verify");
        let answer = self.post(&path, &json!({"code": factor.code()})).await?;
        assert_eq!(answer["valid"], true, "{answer}");
        Ok(())
    }

    /// Reads a path.
    pub async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(format!("{}{path}", self.url))).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Unavailable> {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, Unavailable> {
        let response = request.bearer_auth(&self.key).send().await.unwrap();
        let status = response.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(Unavailable);
        }
        let body = response.text().await.unwrap();
        assert!(status.is_success(), "{status}: {body}");
        Ok(serde_json::from_str(&body).unwrap())
    }
}

/// An HTTP client that asks no proxy for this machine.
pub fn http() -> Http {
    Http::builder().no_proxy().build().unwrap()
}
