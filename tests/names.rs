//! Names for what is different in every run, so that whole answers can be compared.

use serde_json::Value;
use shared::domain::id::{ChallengeId, FactorId};
use shared::domain::recovery::RecoveryCode;
use shared::domain::time::Timestamp;
use shared::domain::totp::Secret;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// IDs, times, secrets, codes and QR codes, each with its name: `<factor 1>`.
pub struct Names {
    began: Option<Timestamp>,
    given: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
}

impl Names {
    /// No names yet. Times will be counted from `began`; without it, every time is `<time>`.
    #[must_use]
    pub fn new(began: Option<Timestamp>) -> Self {
        Self { began, given: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// The answer with names in it.
    pub fn shown(&mut self, answer: &Value) -> String {
        self.learn(answer);
        self.replaced(&answer.to_string())
    }

    /// Gives a name to everything in an answer that is different in every run, and checks its form.
    pub fn learn(&mut self, answer: &Value) {
        match answer {
            Value::Array(values) => values.iter().for_each(|value| self.learn(value)),
            Value::Object(fields) => fields.iter().for_each(|(field, value)| match value {
                Value::String(text) => self.learn_field(field, text),
                Value::Array(codes) if field == "codes" => {
                    for code in codes {
                        self.learn_field(field, code.as_str().unwrap());
                    }
                }
                _ => self.learn(value),
            }),
            _ => {}
        }
    }

    fn learn_field(&mut self, field: &str, text: &str) {
        let kind = match field {
            "id" | "authentication_factor_id" if text.starts_with("auth_factor_") => {
                FactorId::parse(text).map(|_| "factor").unwrap()
            }
            "id" if text.starts_with("auth_challenge_") => {
                ChallengeId::parse(text).map(|_| "challenge").unwrap()
            }
            "secret" if text.len() == 32 => Secret::from_base32(text).map(|_| "secret").unwrap(),
            "qr_code" => text.strip_prefix("data:image/png;base64,iVBORw0KGgo").map(|_| "image").unwrap(),
            "code" if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) => "code",
            "codes" => RecoveryCode::parse(text).map(|_| "recovery-code").unwrap(),
            "created_at" | "updated_at" | "expires_at" | "retry_at" | "last_used_at" => {
                self.give(text, &self.time(text));
                return;
            }
            _ => return,
        };
        if !self.given.contains_key(text) {
            let number = self.counts.get(kind).copied().unwrap_or_default() + 1;
            self.give(text, &format!("<{kind} {number}>"));
        }
    }

    fn time(&self, text: &str) -> String {
        assert_eq!(text.len(), "2022-03-27T04:40:00.410Z".len(), "{text}");
        let millis = text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        self.began.map_or("<time>".to_owned(), |began| format!("<+{} ms>", millis - began.millis()))
    }

    /// Gives a text this name, `<kind …>`.
    pub fn give(&mut self, text: &str, name: &str) {
        let kind = name.trim_start_matches('<').split(' ').next().unwrap_or_default();
        *self.counts.entry(kind.to_owned()).or_default() += 1;
        self.given.insert(text.to_owned(), name.to_owned());
    }

    /// Whether a text has a name.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.given.contains_key(text)
    }

    /// `text` with the names in it.
    #[must_use]
    pub fn replaced(&self, text: &str) -> String {
        let mut names: Vec<_> = self.given.iter().collect();
        names.sort_by_key(|(value, _)| Reverse(value.len()));
        names.into_iter().fold(text.to_owned(), |text, (value, name)| text.replace(value.as_str(), name))
    }
}
