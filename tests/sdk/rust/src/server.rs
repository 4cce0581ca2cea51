//! What the driver knows of the server: its address, its clock and its outbox.

use serde_json::{Value, json};
use std::cell::{Cell, OnceCell};
use std::time::{SystemTime, UNIX_EPOCH};
use totp_rs::{Algorithm, Secret, TOTP};

pub struct Server {
    pub url: String,
    pub key: String,
    http: reqwest::Client,
    phones: Cell<u32>,
    crowd: OnceCell<String>,
}

impl Server {
    pub fn from_env() -> Self {
        let variable = |name| std::env::var(name).unwrap();
        Self {
            url: variable("LATCHKEY_URL"),
            key: variable("LATCHKEY_API_KEY"),
            http: reqwest::Client::new(),
            phones: Cell::new(100),
            crowd: OnceCell::new(),
        }
    }

    async fn get(&self, path: &str) -> Value {
        let answer =
            self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.key).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.key).json(&body);
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    pub async fn advance(&self, seconds: u32) {
        self.post("/_dev/clock", json!({ "advance_seconds": seconds })).await;
    }

    pub async fn texts_to(&self, phone: &str) -> Vec<String> {
        let outbox = self.get("/_dev/sms").await;
        let texts = outbox.as_array().unwrap().iter().filter(|text| text["to"] == phone);
        texts.map(|text| text["message"].as_str().unwrap().to_owned()).collect()
    }

    /// A number to which no message was sent.
    pub async fn new_phone(&self) -> String {
        loop {
            self.phones.set(self.phones.get() + 1);
            let phone = format!("+1206555{:04}", self.phones.get());
            if self.texts_to(&phone).await.is_empty() {
                return phone;
            }
        }
    }

    /// The code of a secret, `steps` from the server's current one.
    pub async fn totp_code(&self, secret: &str, steps: i64) -> String {
        let now = seconds(self.get("/_dev/clock").await["now"].as_str().unwrap());
        let secret = Secret::Encoded(secret.to_owned()).to_bytes().unwrap();
        TOTP::new(Algorithm::SHA1, 6, 1, 30, secret)
            .unwrap()
            .generate(now.checked_add_signed(steps * 30).unwrap())
    }

    /// A code of none of the steps the server may accept, nor of the next, should one begin meanwhile.
    pub async fn wrong_code(&self, secret: &str) -> String {
        let mut near = Vec::new();
        for steps in -2..=3 {
            near.push(self.totp_code(secret, steps).await);
        }
        ["0", "1", "2", "3", "4", "5", "6"]
            .map(|digit| digit.repeat(6))
            .into_iter()
            .find(|code| !near.contains(code))
            .unwrap()
    }

    pub async fn enroll_user(&self, user: &str) -> String {
        let body = json!({"type": "totp", "name": "Home phone"});
        let enrolled = self.post(&format!("/user_management/users/{user}/auth_factors"), body).await;
        enrolled["authentication_factor"]["id"].as_str().unwrap().to_owned()
    }

    /// A TOTP factor with every field that an answer can have: it has a name and was verified once.
    pub async fn used_totp(&self, user: &str) -> String {
        let mut body = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alan@foo-corp.com"});
        body["user_id"] = json!(user);
        body["name"] = json!("Work phone");
        let factor = self.post("/auth/factors/enroll", body).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, secret) = (text(&factor["id"]), text(&factor["totp"]["secret"]));
        let challenge = text(&self.post(&format!("/auth/factors/{id}/challenge"), json!({})).await["id"]);
        let code = self.totp_code(&secret, 0).await;
        self.post(&format!("/auth/challenges/{challenge}/verify"), json!({ "code": code })).await;
        let shown = self.get(&format!("/auth/factors/{id}")).await;
        assert!(
            shown["name"] == "Work phone" && shown["last_used_at"].is_string(),
            "no name or no last_used_at"
        );
        id
    }

    /// One of a user's new recovery codes, which challenges accept.
    pub async fn recovery_code(&self, user: &str) -> String {
        let path = format!("/user_management/users/{user}/recovery_codes");
        let created = self.post(&path, json!({"accept_on_challenges": true})).await;
        created["codes"][0].as_str().unwrap().to_owned()
    }

    pub async fn enroll_sms(&self, user: &str) {
        let body = json!({"type": "sms", "phone_number": self.new_phone().await, "user_id": user});
        self.post("/auth/factors/enroll", body).await;
    }

    /// A user with 101 factors, made once.
    pub async fn crowded_user(&self) -> String {
        if self.crowd.get().is_none() {
            let user = new_user();
            for _ in 0..101 {
                self.enroll_user(&user).await;
            }
            self.crowd.set(user).unwrap();
        }
        self.crowd.get().unwrap().clone()
    }
}

pub fn new_user() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("user_{}", now.as_nanos())
}

pub fn code_in(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6).unwrap().to_owned()
}

/// Seconds since 1970 of a time in UTC, as in `2026-01-31T12:34:56.789Z`.
fn seconds(time: &str) -> u64 {
    let part = |from: usize, to: usize| time[from..to].parse::<u64>().unwrap();
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    // Days since March 1st of the year 0, from years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    ((days - 719_468) * 24 + part(11, 13)) * 3_600 + part(14, 16) * 60 + part(17, 19)
}

pub fn seconds_between(from: &str, to: &str) -> u64 {
    seconds(to) - seconds(from)
}
