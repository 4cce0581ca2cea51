//! Every event of `events/`, sent to its function. `tests/it/events.rs` does it to the functions' code, `tests/rig` to their
//! release binaries, and both compare the whole answers with the same transcript.

use crate::client::{Totp, code_in};
use crate::names::Names;
use cli::serve::{LocalClock, Outbox};
use serde_json::{Value, json};
use shared::ports::Clock as _;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// What a replay knows of the functions it is made with.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// An API key.
    pub key: &'a str,
    /// The clock of the functions.
    pub clock: &'a LocalClock,
    /// The text messages that the functions have sent.
    pub outbox: &'a Outbox,
}

/// The events sent so far, and their answers.
struct Replay<'a, I> {
    target: Target<'a>,
    invoke: I,
    names: Names,
    transcript: String,
    sent: BTreeSet<String>,
}

/// The text of an event with its placeholders replaced.
#[must_use]
pub fn filled(event: &str, values: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(folder().join(format!("{event}.json"))).unwrap();
    values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../events"))
}

/// Sends every event, some with more than one outcome: `invoke` sends one to the function of this name. Returns a line per
/// answer: event, status and body, with names for what is different in every run.
pub async fn replay(target: Target<'_>, invoke: impl AsyncFn(&'static str, String) -> Value) -> String {
    let (names, transcript, sent) = (Names::new(None), String::new(), BTreeSet::new());
    let mut replay = Replay { target, invoke, names, transcript, sent };
    let messages = target.outbox.messages().unwrap().len();
    replay.totp().await;
    replay.sms().await;
    replay.generic().await;
    replay.manage().await;
    replay.recovery().await;
    assert_eq!(target.outbox.messages().unwrap().len(), messages + 1, "one text message was sent");
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let events = json.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    assert_eq!(replay.sent, events.collect(), "every event was sent");
    replay.transcript
}

impl<I: AsyncFn(&'static str, String) -> Value> Replay<'_, I> {
    async fn totp(&mut self) {
        let totp = Totp::of(&self.send("enroll-totp", &[]).await);
        let challenge = self.send_for("challenge", &totp.id).await;
        let now = self.target.clock.now();
        for code in [totp.wrong_code(now), totp.code(now, 0), totp.code(now, 0)] {
            self.verify("verify", &challenge, &code).await;
        }
    }

    async fn sms(&mut self) {
        let factor = self.send("enroll-sms", &[]).await;
        let challenge = self.send_for("challenge-sms", text(&factor["id"])).await;
        let message = self.target.outbox.messages().unwrap().pop().unwrap().message;
        let code = code_in(&message);
        assert_eq!(message, format!("{code} is your Foo Corp code."));
        self.verify("verify", &challenge, &code).await;
    }

    async fn generic(&mut self) {
        let factor = self.send("enroll-generic-otp", &[]).await;
        let challenge = self.send_for("challenge-legacy", text(&factor["id"])).await;
        self.verify("verify-legacy", &challenge, text(&challenge["code"])).await;
    }

    async fn manage(&mut self) {
        let enrolled = self.send("enroll-for-user", &[]).await;
        self.send("list-factors", &[]).await;
        self.send("list-for-user", &[]).await;
        let factor = text(&enrolled["authentication_factor"]["id"]);
        for event in ["read-factor", "delete-factor", "read-factor"] {
            self.send_for(event, factor).await;
        }
        let forged = ("api_key", "sk_local_000000000000000000000000000000000000");
        self.send("read-factor", &[("factor_id", factor), forged]).await;
    }

    async fn recovery(&mut self) {
        let created = self.send("create-recovery-codes", &[]).await;
        let code = text(&created["codes"][0]);
        self.send("verify-recovery-code", &[("recovery_code", code)]).await;
        self.send("verify-recovery-code", &[("recovery_code", code)]).await;
        self.send("read-recovery-codes", &[]).await;
        self.send("delete-recovery-codes", &[]).await;
        self.send("read-recovery-codes", &[]).await;
    }

    async fn verify(&mut self, event: &'static str, challenge: &Value, code: &str) {
        self.send(event, &[("challenge_id", text(&challenge["id"])), ("code", code)]).await;
    }

    async fn send_for(&mut self, event: &'static str, factor: &str) -> Value {
        self.send(event, &[("factor_id", factor)]).await
    }

    /// Sends an event and writes down the answer. Returns its body.
    async fn send(&mut self, event: &'static str, values: &[(&str, &str)]) -> Value {
        // Factors of one millisecond are listed in any order.
        self.target.clock.advance(1).unwrap();
        let filled = filled(event, &[values, &[("api_key", self.target.key)]].concat());
        let sent: Value = serde_json::from_str(&filled).unwrap();
        let answer = (self.invoke)(function(event), filled).await;
        let is_text = (&answer["isBase64Encoded"], &answer["cookies"]) == (&json!(false), &json!([]));
        assert!(is_text, "{event}: {answer}");
        assert_eq!(answer["headers"]["x-request-id"], sent["requestContext"]["requestId"], "{event}");
        let body = answer["body"].as_str().unwrap_or_default();
        let json = serde_json::from_str(body).unwrap_or_default();
        self.names.learn(&json);
        let line = format!("{event} {} {body}", answer["statusCode"]);
        writeln!(self.transcript, "{}", self.names.replaced(&line).trim_end()).unwrap();
        self.sent.insert(event.to_owned());
        json
    }
}

/// The function that API Gateway sends an event to.
fn function(event: &str) -> &'static str {
    match event.split('-').next() {
        Some("enroll" | "create") => "enroll",
        Some("challenge") => "challenge",
        Some("verify") => "verify",
        _ => "factors",
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
