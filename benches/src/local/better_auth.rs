//! A user of better-auth: signs up, turns on the second factor, and logs in with a password and a code.

use crate::client::{code, http};
use reqwest::Client;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use serde_json::{Value, json};

const PASSWORD: &str = "a password that is not checked";

pub struct User {
    http: Client,
    url: String,
    email: String,
    secret: String,
}

impl User {
    /// So many new users with a second factor.
    pub async fn sign_up(url: &str, count: usize) -> Vec<Self> {
        let mut users = Vec::new();
        for number in 0..count {
            users.push(Self::new(url, &format!("user{number}of{count}@example.com")).await);
        }
        users
    }

    async fn new(url: &str, email: &str) -> Self {
        let mut user =
            Self { http: http(), url: url.to_owned(), email: email.to_owned(), secret: String::new() };
        let body = json!({"name": "Alice", "email": email, "password": PASSWORD});
        let (_, session) = user.post("sign-up/email", &body, "").await;
        let (enabled, _) = user.post("two-factor/enable", &json!({"password": PASSWORD}), &session).await;
        let uri = enabled["totpURI"].as_str().unwrap_or_else(|| panic!("{enabled}"));
        user.secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        user.post("two-factor/verify-totp", &json!({"code": code(&user.secret)}), &session).await;
        user
    }

    /// A password, then a code.
    pub async fn log_in(&self) {
        let body = json!({"email": self.email, "password": PASSWORD});
        let (answer, cookie) = self.post("sign-in/email", &body, "").await;
        assert_eq!(answer["twoFactorRedirect"], true, "{answer}");
        let (answer, _) =
            self.post("two-factor/verify-totp", &json!({"code": code(&self.secret)}), &cookie).await;
        assert!(answer["token"].is_string(), "{answer}");
    }

    /// The answer, and the cookies that it sets.
    async fn post(&self, path: &str, body: &Value, cookie: &str) -> (Value, String) {
        let request = self.http.post(format!("{}/api/auth/{path}", self.url)).json(body);
        let response =
            request.header(ORIGIN, "http://127.0.0.1").header(COOKIE, cookie).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        let set = headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap());
        let cookies: Vec<&str> = set.map(|value| value.split(';').next().unwrap()).collect();
        (serde_json::from_str(&text).unwrap(), cookies.join("; "))
    }
}
