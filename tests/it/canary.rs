//! LOG-01, SEC-01: known codes, secrets and keys, looked for in every place they must not be, in every spelling.
//!
//! Every test's table is looked through when the test ends, for every secret the test received ([`Watch`]).

use crate::app::{App, Item, logged, send};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use cli::serve::Outbox;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::recovery::RecoveryCode;
use shared::domain::totp::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tests::client::code_in;
use tokio::task::block_in_place;

/// A thing that must not be seen.
struct Canary {
    what: &'static str,
    /// Itself, if it is text.
    plain: Option<String>,
    /// How else it could be spelled.
    encoded: Vec<String>,
}

impl Canary {
    fn new(what: &'static str, secret: &[u8]) -> Self {
        let hex = secret.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let mut encoded = vec![
            hex.to_uppercase(),
            hex,
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            STANDARD.encode(STANDARD.encode(secret)),
            format!("{secret:?}").trim_matches(['[', ']']).to_owned(),
        ];
        let plain = std::str::from_utf8(secret).ok().map(str::to_owned);
        if let Some(plain) = &plain {
            encoded.push(utf8_percent_encode(plain, NON_ALPHANUMERIC).to_string());
        } else {
            encoded.push(secret.escape_ascii().to_string());
        }
        if let Ok(secret) = Secret::from_bytes(zeroize::Zeroizing::new(secret.to_vec())) {
            encoded.push(secret.to_base32().to_string());
            encoded.push(secret.to_base32().to_lowercase());
        }
        encoded.retain(|spelling| Some(spelling) != plain.as_ref());
        Self { what, plain, encoded }
    }

    /// Whether it can be read in `text`.
    fn stands_in(&self, text: &str) -> bool {
        self.encoded.iter().any(|spelling| text.contains(spelling.as_str()))
            || self.plain.as_ref().is_some_and(|plain| stands_alone(plain, text))
    }
}

/// The secrets that the servers of this test run returned, by their address.
static RETURNED: Mutex<BTreeMap<String, Secrets>> = Mutex::new(BTreeMap::new());

/// What secrets are, and they themselves.
type Secrets = BTreeSet<(&'static str, Vec<u8>)>;

/// Remembers a secret that the server at `url` returned.
pub(crate) fn remember(url: &str, what: &'static str, secret: &[u8]) {
    let mut secrets = RETURNED.lock().unwrap_or_else(PoisonError::into_inner);
    secrets.entry(url.to_owned()).or_default().insert((what, secret.to_vec()));
}

/// Remembers the secrets in an answer of the server at `url`.
pub(crate) fn remember_all_in(url: &str, answer: &Value) {
    for body in [answer, &answer["authentication_factor"], &answer["challenge"]] {
        if let Some(secret) = body["totp"]["secret"].as_str() {
            remember(url, "TOTP secret", Secret::from_base32(secret).unwrap().expose());
        }
        if let (Some(code), "authentication_challenge") =
            (body["code"].as_str(), body["object"].as_str().unwrap_or_default())
        {
            remember(url, "generic code", code.as_bytes());
        }
    }
    for code in answer["codes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        remember(url, "recovery code", code.as_bytes());
        remember(url, "recovery code", code.replace('-', "").as_bytes());
        remember(url, "recovery code", RecoveryCode::parse(code).unwrap().expose());
    }
}

/// Looks through a test's table when the test ends: no secret it received can be read there (SEC-01).
pub(crate) struct Watch {
    pub(crate) url: String,
    pub(crate) dynamodb_url: String,
    pub(crate) outbox: Outbox,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for message in self.outbox.messages().unwrap() {
            remember(&self.url, "message", message.message.as_bytes());
            remember(&self.url, "text code", code_in(&message.message).as_bytes());
        }
        let secrets =
            RETURNED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.url).unwrap_or_default();
        let dynamodb_url = self.dynamodb_url.clone();
        // The server runs on the worker threads of the test. While this one waits, another takes its place.
        let table = block_in_place(|| std::thread::spawn(move || readable(&dynamodb_url)).join().unwrap());
        if let Some(table) = table {
            let seen = secrets.iter().find(|(what, secret)| Canary::new(what, secret).stands_in(&table));
            assert!(seen.is_none(), "a {} can be read in the table", seen.unwrap().0);
        }
    }
}

/// Everything in a table, bytes as they are; `None` if the test has stopped its server.
fn readable(dynamodb_url: &str) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = shared::aws::dynamodb(&shared::aws::on_this_machine(dynamodb_url));
    let items = client.scan().table_name(cli::serve::TABLE).into_paginator().items().send();
    let items: Vec<Item> = match runtime.block_on(items.collect::<Result<_, _>>()) {
        Err(SdkError::DispatchFailure(_)) => return None,
        items => items.unwrap(),
    };
    Some(
        items
            .iter()
            .flat_map(|item| item.iter().map(|(name, value)| format!("{name} {}\n", text(value))))
            .collect(),
    )
}

fn text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::B(bytes) => format!("{} {bytes:?}", String::from_utf8_lossy(bytes.as_ref())),
        AttributeValue::L(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        AttributeValue::M(values) => {
            values.iter().flat_map(|(name, value)| [name.clone(), text(value)]).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_01_a_secret_in_the_table_would_be_found() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let secret = totp.secret.expose().to_vec();
    let spellings =
        [secret.clone(), totp.secret.to_base32().as_bytes().to_vec(), STANDARD.encode(&secret).into_bytes()];
    for (number, spelling) in spellings.into_iter().enumerate() {
        let planted = AttributeValue::M([("x".to_owned(), AttributeValue::B(spelling.into()))].into());
        let key = AttributeValue::S("planted".to_owned());
        let put = app
            .table()
            .put_item()
            .table_name(cli::serve::TABLE)
            .item("pk", key.clone())
            .item("sk", key.clone());
        put.item("x", planted).send().await.unwrap();
        let url = app.local.dynamodb_url.clone();
        let table = std::thread::spawn(move || readable(&url)).join().unwrap().unwrap();
        assert!(Canary::new("TOTP secret", &secret).stands_in(&table), "spelling {number}");
        let delete = app.table().delete_item().table_name(cli::serve::TABLE);
        delete.key("pk", key.clone()).key("sk", key).send().await.unwrap();
    }
}

/// Whether `word` stands in `text` as a value of its own. Six digits may well be part of a timestamp or of an id.
fn stands_alone(word: &str, text: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.')
            && !after.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_log_01_sec_01_no_secret_is_in_a_log_line_an_error_or_an_item() {
    let app = App::start().await;
    let mut canaries = vec![Canary::new("API key", app.local.api_key.expose().as_bytes())];
    let mut errors = String::new();

    let totp = app.enroll_totp().await;
    canaries.push(Canary::new("TOTP secret", totp.secret.expose()));
    let challenge = app.challenge(&totp.id).await;
    let code = app.code_of(&totp, 0);
    for code in [app.wrong_code(&totp), code.clone(), code.clone()] {
        errors += &app.verify(&challenge, &code).await.text;
    }
    canaries.push(Canary::new("TOTP code", code.as_bytes()));

    let sms = app.enroll_sms().await;
    let challenge = app.challenge(&sms).await;
    let (code, text) = (app.last_code(), app.last_message());
    for code in ["000000", &code, &code] {
        errors += &app.verify(&challenge, code).await.text;
    }
    canaries.push(Canary::new("SMS code", code.as_bytes()));
    canaries.push(Canary::new("message", text.as_bytes()));
    let generic = app.enroll(json!({"type": "generic_otp"})).await;
    let (challenge, code) = app.generic_challenge(&generic).await;
    app.verify(&challenge, "000000").await;
    errors += &app.verify(&challenge, &"9".repeat(7)).await.text;
    app.is_valid(&challenge, &code).await;
    canaries.push(Canary::new("generic code", code.as_bytes()));
    let imported =
        json!({"type": "totp", "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "totp_issuer": ":"});
    let request = app.authorized(Method::POST, "/user_management/users/u/auth_factors").json(&imported);
    errors += &send(request).await.text;
    canaries.push(Canary::new("imported secret", b"12345678901234567890"));
    let request =
        app.authorized(Method::POST, "/auth/factors/enroll").body("{\"totp_secret\":\"GEZDGNBVGY3TQOJQ");
    errors += &send(request.header("content-type", "application/json")).await.text;

    let recovery = "/user_management/users/u/recovery_codes";
    let codes = app.post(recovery, json!({}), 201).await["codes"].clone();
    let codes: Vec<&str> = codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    for code in [codes[0], codes[0], &codes[1].to_lowercase(), "nonsense"] {
        let request = app.authorized(Method::POST, &format!("{recovery}/verify"));
        errors += &send(request.json(&json!({ "code": code }))).await.text;
    }
    for code in &codes {
        canaries.push(Canary::new("recovery code", code.as_bytes()));
        canaries.push(Canary::new("recovery code", code.replace('-', "").as_bytes()));
        canaries.push(Canary::new("recovery code", RecoveryCode::parse(code).unwrap().expose()));
    }

    let items = format!("{:?}", app.dump().await);
    let logs = logged();
    assert!(logs.contains("\"operation\":\"verify\""), "there are logs to look at");
    for canary in &canaries {
        assert!(!canary.stands_in(&logs), "{} is in a log line", canary.what);
        assert!(!canary.stands_in(&errors), "{} is in an error", canary.what);
        assert!(!canary.stands_in(&items), "{} is in an item", canary.what);
    }
    // The search finds what it is looking for.
    let caught = Canary::new("decoy", code.as_bytes());
    for line in [format!("code={code}"), format!(r#"{{"code":"{code}"}}"#), STANDARD.encode(&code)] {
        assert!(caught.stands_in(&line), "{line}");
    }
    let phone = Canary::new("phone number", b"+15005550006");
    assert!(!phone.stands_in(&logs), "a whole phone number is in a log line");
}
