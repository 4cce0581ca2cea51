//! The examples of docs/openapi.yaml: requests as they are sent here, and what the server answers.
//!
//! What is different in every run has a stand-in, always the same. `LATCHKEY_TEST_EXAMPLES=write` writes them into the document.

use super::contract::{Contract, FILE};
use crate::app::{App, Totp, other_than, send};
use crate::architecture::root;
use cli::serve::faults::{Fault, Faults};
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::time::Timestamp;
use shared::ports::Clock as _;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;
use tests::names::Names;

/// The line before the examples.
const MARK: &str = "cargo test --workspace openapi\n";

const USER: &str = "user_01E4ZCR3C56J083X43JQXF3JK5";
const SECRET: &str = "LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW";
/// 2026-01-15T12:00:00.000Z
const BEGAN: i64 = 1_768_478_400_000;
/// Each example may be as long as this on one line.
const WIDTH: usize = 110;

struct Examples {
    app: App,
    names: Names,
    text: String,
}

impl Examples {
    fn add(&mut self, name: &str, value: &Value) {
        let shown = self.names.shown(value);
        let shown: Value = serde_json::from_str(&stood_in(&shown)).unwrap();
        let line = shown.to_string();
        let value =
            if line.len() < WIDTH { line } else { indented(&serde_json::to_string_pretty(&shown).unwrap()) };
        writeln!(self.text, "    {name}:\n      value: {value}").unwrap();
    }

    /// Sends a request that is an example, if it has a name. Its answer is one, if that has a name.
    async fn post(
        &mut self,
        path: &str,
        (asked, body): (&str, Value),
        (answered, status): (&str, u16),
    ) -> Value {
        let request = self.app.authorized(Method::POST, path).json(&body);
        if !asked.is_empty() {
            self.add(asked, &body);
        }
        let answer = send(request).await.expect(status);
        self.answer(answered, answer)
    }

    async fn get(&mut self, path: &str, (answered, status): (&str, u16)) -> Value {
        let answer = send(self.app.authorized(Method::GET, path)).await.expect(status);
        self.answer(answered, answer)
    }

    fn answer(&mut self, name: &str, answer: Value) -> Value {
        self.names.learn(&answer);
        if !name.is_empty() {
            self.add(name, &answer);
        }
        answer
    }
}

/// The lines after the first, as far to the right as a value of an example.
fn indented(text: &str) -> String {
    text.replace('\n', "\n        ")
}

/// A stand-in for each name in a text.
fn stood_in(named: &str) -> String {
    let mut text = String::new();
    let mut rest = named;
    while let Some((before, name)) = rest.split_once('<') {
        let (name, after) = name.split_once('>').unwrap();
        text.push_str(before);
        text.push_str(&stand_in(name));
        rest = after;
    }
    text + rest
}

fn stand_in(name: &str) -> String {
    if let Some(millis) = name.strip_prefix('+').and_then(|name| name.strip_suffix(" ms")) {
        let after = Duration::from_millis(millis.parse().unwrap());
        return Timestamp::from_millis(BEGAN).unwrap().plus(after).to_string();
    }
    let (kind, number) = name.split_once(' ').unwrap();
    let digit = char::from(b'0' + number.parse::<u8>().unwrap() % 10);
    match kind {
        "factor" => format!("auth_factor_01KEZ0RFG07F8SMHKJ8RM9C1X{digit}"),
        "challenge" => format!("auth_challenge_01KEZ0RFG0WHKCMAJ6BG7HN7R{digit}"),
        "secret" => SECRET.to_owned(),
        "code" => "123456".to_owned(),
        "recovery-code" => format!("4TQ8-X0ZC-9V2K-N6RD-H1EW-7P3{digit}"),
        // The first pixels of many.
        "image" => "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAlgAAAJYAQAAAACi3f8H".to_owned(),
        _ => panic!("what stands for <{name}>?"),
    }
}

async fn examples() -> String {
    let app = App::start_with_faults(Faults::none()).await;
    let names = Names::new(Some(app.local.clock.now()));
    let mut examples = Examples { app, names, text: String::new() };
    let (totp, generic) = enroll(&mut examples).await;
    log_in(&mut examples, &totp, &generic).await;
    recover(&mut examples, &totp).await;
    show(&mut examples, &totp).await;
    refuse(&mut examples, &generic).await;
    examples.text
}

const ENROLL: &str = "/auth/factors/enroll";

async fn enroll(examples: &mut Examples) -> (Totp, String) {
    let body =
        json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice@example.com", "user_id": USER});
    let totp = examples.post(ENROLL, ("EnrollTotpRequest", body), ("EnrolledTotp", 201)).await;
    let body = json!({"type": "sms", "phone_number": "+15005550006", "user_id": USER});
    examples.app.advance(1);
    examples.post(ENROLL, ("EnrollSmsRequest", body), ("EnrolledSms", 201)).await;
    let body = json!({"type": "generic_otp"});
    let generic = examples.post(ENROLL, ("EnrollGenericRequest", body), ("EnrolledGeneric", 201)).await;
    let path = format!("/user_management/users/{USER}/auth_factors");
    let body = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice@example.com"});
    examples.app.advance(1);
    examples.post(&path, ("EnrollUserRequest", body), ("Enrollment", 201)).await;
    let body = json!({"type": "totp", "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"});
    examples.names.give("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "<secret 9>");
    let path = "/user_management/users/user_2/auth_factors";
    examples.post(path, ("ImportRequest", body), ("", 201)).await;
    (Totp::of(&totp), generic["id"].as_str().unwrap().to_owned())
}

async fn log_in(examples: &mut Examples, totp: &Totp, generic: &str) {
    let path = format!("/auth/factors/{}/challenge", totp.id);
    let challenge = examples.post(&path, ("ChallengeRequest", json!({})), ("Challenge", 201)).await;
    let id = challenge["id"].as_str().unwrap();
    let (right, wrong) = (examples.app.code_of(totp, 0), examples.app.wrong_code(totp));
    examples.names.give(&right, "<code 1>");
    let path = format!("/auth/challenges/{id}/verify");
    examples.post(&path, ("", json!({"code": wrong})), ("WrongCode", 201)).await;
    examples.post(&path, ("VerifyRequest", json!({"code": right})), ("RightCode", 201)).await;
    examples.post(&path, ("", json!({"code": right})), ("VerifiedBefore", 422)).await;

    let body = json!({"authentication_factor_id": generic});
    let path = "/auth/factors/challenge";
    let challenge = examples.post(path, ("ChallengeByBodyRequest", body), ("GenericChallenge", 201)).await;
    let body = json!({"authentication_challenge_id": challenge["id"], "code": challenge["code"]});
    examples.post("/auth/factors/verify", ("VerifyByBodyRequest", body), ("", 201)).await;
}

async fn recover(examples: &mut Examples, totp: &Totp) {
    let path = format!("/user_management/users/{USER}/recovery_codes");
    let body = json!({"accept_on_challenges": true});
    let created = examples.post(&path, ("RecoveryCodesRequest", body), ("NewRecoveryCodes", 201)).await;
    let verify = format!("{path}/verify");
    let body = json!({"code": created["codes"][0]});
    let asked = ("VerifyRecoveryCodeRequest", body.clone());
    examples.post(&verify, asked, ("RightRecoveryCode", 201)).await;
    examples.post(&verify, ("", body), ("UsedRecoveryCode", 201)).await;
    let challenge =
        examples.post(&format!("/auth/factors/{}/challenge", totp.id), ("", json!({})), ("", 201)).await;
    let at_challenge = format!("/auth/challenges/{}/verify", challenge["id"].as_str().unwrap());
    let body = json!({"code": created["codes"][1]});
    examples.post(&at_challenge, ("", body), ("RightRecoveryCodeAtChallenge", 201)).await;
    examples.get(&path, ("RecoveryCodes", 200)).await;
}

async fn show(examples: &mut Examples, totp: &Totp) {
    let list = examples.get(&format!("/auth/factors?user_id={USER}&limit=2"), ("FactorList", 200)).await;
    let sms = list["data"][1]["id"].as_str().unwrap();
    examples.get(&format!("/auth/factors/{}", totp.id), ("TotpFactor", 200)).await;
    examples.get(&format!("/auth/factors/{sms}"), ("SmsFactor", 200)).await;
    let path = format!("/user_management/users/{USER}/auth_factors");
    examples.get(&path, ("TotpFactorList", 200)).await;
    let path = format!("/auth/factors/{sms}/challenge");
    let body = json!({"sms_template": "{{code}} is your code for Foo Corp."});
    examples.post(&path, ("ChallengeTemplateRequest", body), ("", 201)).await;
    examples.post(&path, ("", json!({})), ("SmsLimit", 422)).await;
}

async fn refuse(examples: &mut Examples, generic: &str) {
    let path = format!("/auth/factors/{generic}/challenge");
    let challenge = examples.post(&path, ("", json!({})), ("", 201)).await;
    let (id, code) = (challenge["id"].as_str().unwrap(), challenge["code"].as_str().unwrap());
    let verify = format!("/auth/challenges/{id}/verify");
    examples.app.advance(600);
    examples.post(&verify, ("", json!({"code": code})), ("Expired", 422)).await;
    let challenge = examples.post(&path, ("", json!({})), ("", 201)).await;
    let (id, code) = (challenge["id"].as_str().unwrap(), challenge["code"].as_str().unwrap());
    let verify = format!("/auth/challenges/{id}/verify");
    for _ in 0..5 {
        examples.post(&verify, ("", json!({"code": other_than(code)})), ("", 201)).await;
    }
    examples.post(&verify, ("", json!({"code": code})), ("TooManyAttempts", 400)).await;
    examples.post(&path, ("", json!({})), ("Locked", 400)).await;

    let unknown = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
    examples.get(&format!("/auth/factors/{unknown}"), ("EntityNotFound", 404)).await;
    examples
        .post(ENROLL, ("", json!({"type": "totp", "totp_issuer": "a:b"})), ("InvalidParameters", 422))
        .await;
    examples.post(ENROLL, ("", json!({"type": "sms", "phone_number": "foo"})), ("InvalidPhone", 422)).await;
    let refused = send(examples.app.request(Method::GET, "/auth/factors/a")).await.expect(401);
    examples.answer("Unauthorized", refused);
    examples.app.faults().plan(|_| Some(Fault::ServerError));
    examples.get(&format!("/auth/factors/{unknown}"), ("Unavailable", 503)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_what_the_server_answers() {
    let examples = format!("  examples:\n{}", examples().await);
    let path = root().join(FILE);
    let text = fs::read_to_string(&path).unwrap();
    let (by_hand, written) = text.split_at(text.find(MARK).unwrap() + MARK.len());
    if std::env::var_os("LATCHKEY_TEST_EXAMPLES").is_some_and(|mode| mode == "write") {
        fs::write(&path, format!("{by_hand}{examples}")).unwrap();
    } else {
        assert!(
            written == examples,
            "{FILE} has other examples; LATCHKEY_TEST_EXAMPLES=write writes these:\n{examples}"
        );
    }
}

/// Where an example stands, it must fit.
#[test]
fn every_example_fits_its_schema() {
    let document = &Contract::get().document;
    let mut places = Vec::new();
    for operation in &Contract::get().operations {
        let node = document.at(&operation.pointer);
        places.extend(node.get("requestBody").map(|_| format!("{}/requestBody", operation.pointer)));
        for status in node["responses"].as_object().unwrap().keys() {
            places.push(document.resolved(format!("{}/responses/{status}", operation.pointer)));
        }
    }
    let mut shown = 0;
    for content in places.into_iter().map(|place| format!("{place}/content/application~1json")) {
        let Some(examples) = document.0.pointer(&format!("{content}/examples")) else { continue };
        let schema = document.validator(&format!("{content}/schema"));
        for name in examples.as_object().unwrap().keys() {
            let example = document.resolved(format!("{content}/examples/{name}"));
            let value = document.at(&format!("{example}/value"));
            schema.validate(value).unwrap_or_else(|error| panic!("{example}: {error}"));
            shown += 1;
        }
    }
    assert!(shown > 40, "{shown}");
}
