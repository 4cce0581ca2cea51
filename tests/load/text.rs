//! One text message, asked for as the SDKs do it: the same request again, with the same idempotency key, after a 503.

use crate::login::{Login, User};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tests::client::code_in;

/// Requests an SDK makes before it gives up: one, and three retries.
const REQUESTS: usize = 4;

/// How a flow ended.
pub(crate) struct Text {
    number: String,
    /// The challenge that was answered 201.
    promised: Option<Value>,
    /// The status of the last answer.
    status: StatusCode,
    /// The message's code verified the challenge.
    verified: bool,
}

/// What a run of flows comes to.
#[derive(Default)]
pub(crate) struct Texts {
    flows: usize,
    sent: usize,
    unavailable: usize,
    refused: usize,
    /// Answered 201, and no message is in the outbox.
    promised_in_vain: usize,
    /// More than one message for one idempotency key.
    doubled: usize,
    /// A message whose code does not verify the challenge that was answered.
    unverified: usize,
}

impl User {
    /// Enrolls a phone and asks for a message.
    pub(crate) async fn text(&self, flow: usize) -> Text {
        // A range of numbers has a budget of its own.
        let number = format!("+1{}555{:04}", 205 + flow % 4, 1_000 * (flow / 4 % 9) + flow);
        let mut login = Login::default();
        let body = json!({"type": "sms", "phone_number": number});
        let factor = self.insist(&mut login, Method::POST, "/auth/factors/enroll", &body).await;
        let factor = factor.expect("an enrolled phone")["id"].as_str().unwrap().to_owned();
        let path = format!("/auth/factors/{factor}/challenge");
        let (mut status, mut promised) = (StatusCode::SERVICE_UNAVAILABLE, None);
        for _ in 0..REQUESTS {
            let request =
                self.0.authorized(Method::POST, &path).header("idempotency-key", format!("retry-{factor}"));
            let answer = request.json(&json!({})).send().await.unwrap();
            status = answer.status();
            if status != StatusCode::SERVICE_UNAVAILABLE {
                promised = Some(answer.json().await.unwrap()).filter(|_| status == StatusCode::CREATED);
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Text { number, promised, status, verified: false }
    }

    /// Gives each message's code to the challenge that was promised it.
    pub(crate) async fn check(&self, texts: &mut [Text]) -> BTreeMap<String, usize> {
        let mut sent: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for message in self.0.messages().await {
            let (count, code) = sent.entry(message.to).or_default();
            *count += 1;
            *code = code_in(&message.message);
        }
        for text in texts {
            let (Some(challenge), Some((_, code))) = (&text.promised, sent.get(&text.number)) else {
                continue;
            };
            let path = format!("/auth/challenges/{}/verify", challenge["id"].as_str().unwrap());
            let answer =
                self.insist(&mut Login::default(), Method::POST, &path, &json!({ "code": code })).await;
            text.verified = answer.is_some_and(|answer| answer["valid"] == true);
        }
        sent.into_iter().map(|(number, (count, _))| (number, count)).collect()
    }
}

impl Texts {
    pub(crate) const HEADER: &str =
        "texts             flows    sent  503  422 faults | promised in vain  doubled  unverified";

    pub(crate) fn of(texts: &[Text], sent: &BTreeMap<String, usize>) -> Self {
        let mut tally = Self::default();
        for Text { number, promised, status, verified } in texts {
            let messages = sent.get(number).copied().unwrap_or_default();
            tally.flows += 1;
            tally.sent += usize::from(messages > 0);
            tally.unavailable += usize::from(*status == StatusCode::SERVICE_UNAVAILABLE);
            tally.refused += usize::from(*status == StatusCode::UNPROCESSABLE_ENTITY);
            tally.promised_in_vain += usize::from(promised.is_some() && messages == 0);
            tally.doubled += messages.saturating_sub(1);
            tally.unverified += usize::from(promised.is_some() && messages > 0 && !verified);
        }
        tally
    }

    pub(crate) fn holds(&self) -> bool {
        [self.promised_in_vain, self.doubled, self.unverified, self.refused] == [0; 4]
    }

    pub(crate) fn all_sent(&self) -> bool {
        self.sent == self.flows
    }

    pub(crate) fn row(&self, share: f64, faults: u64) -> String {
        format!(
            "faults at {share:<6} {:>6} {:>7} {:>4} {:>4} {faults:>6} | {:>16} {:>8} {:>11}",
            self.flows,
            self.sent,
            self.unavailable,
            self.refused,
            self.promised_in_vain,
            self.doubled,
            self.unverified,
        )
    }
}
