//! The audit line: one per request, its fields, and what never gets into it (docs/EVENTS.md). `template/metrics.rs` has what
//! is counted from it.

use crate::app::{App, logged, send};
use crate::architecture::root;
use reqwest::Method;
use serde_json::{Value, json};
use shared::http::ROUTES;
use std::collections::BTreeSet;
use std::fs;

/// The audit lines of requests in which `text` stands, from first to last.
pub(crate) fn lines_with(text: &str) -> Vec<Value> {
    let lines = logged();
    let lines = lines.lines().filter(|line| line.contains("\"schema\":") && line.contains(text));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The 26 characters after an ID's prefix, which is how a line names it.
pub(crate) fn bare(id: &str) -> &str {
    id.rsplit('_').next().unwrap()
}

/// Sends a request; the one line it left.
pub(crate) async fn line_of(request: reqwest::RequestBuilder) -> Value {
    let answer = send(request).await;
    let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    let mut lines = lines_with(&id);
    assert_eq!(lines.len(), 1, "one line per request");
    lines.remove(0)
}

fn documented() -> String {
    fs::read_to_string(root().join("docs/EVENTS.md")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn log_05_every_operation_is_one_line() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let sms = app.enroll_phone("+15005550009").await;
    let open = app.challenge(&totp.id).await;
    let post = |path: &str, body: Value| app.authorized(Method::POST, path).json(&body);
    let verify = |code: String| post(&format!("/auth/challenges/{open}/verify"), json!({ "code": code }));
    let (right, wrong) = (app.code_of(&totp, 0), app.wrong_code(&totp));
    let generic = json!({"type": "generic_otp", "user_id": "u"});
    let challenge = |id: &str| post(&format!("/auth/factors/{id}/challenge"), json!({}));
    let get = |path: &str| app.authorized(Method::GET, path);
    let one = format!("/auth/factors/{}", totp.id);
    for (request, operation, outcome, about) in [
        (post("/auth/factors/enroll", generic), "enroll", "ok", vec!["factor"]),
        (
            post("/user_management/users/u/auth_factors", json!({"type": "totp"})),
            "enroll",
            "ok",
            vec!["factor", "challenge"],
        ),
        (post("/auth/factors/enroll", json!({})), "enroll", "refused", vec!["code"]),
        (challenge(&totp.id), "challenge", "ok", vec!["factor", "challenge"]),
        (challenge(&sms), "challenge", "ok", vec!["factor", "challenge", "country"]),
        (challenge(&sms), "challenge", "refused", vec!["factor", "code", "country"]),
        (verify(wrong), "verify", "wrong", vec!["factor", "challenge"]),
        (verify(right.clone()), "verify", "ok", vec!["factor", "challenge"]),
        (verify(right), "verify", "refused", vec!["factor", "challenge", "code"]),
        (get(&one), "read", "ok", vec!["factor"]),
        (get("/auth/factors?user_id=u"), "list", "ok", vec![]),
        (app.authorized(Method::HEAD, &one), "read", "ok", vec!["factor"]),
        (app.authorized(Method::HEAD, "/auth/factors?user_id=u"), "list", "ok", vec![]),
        (get("/user_management/users/u/auth_factors"), "list", "ok", vec![]),
        (app.authorized(Method::DELETE, &one), "delete", "ok", vec!["factor"]),
        (get(&one), "read", "refused", vec!["code"]),
    ] {
        let line = line_of(request).await;
        assert_eq!((&line["operation"], &line["outcome"]), (&json!(operation), &json!(outcome)), "{line}");
        for field in
            ["time", "request_id", "environment", "api_key", "table"].into_iter().chain(about.iter().copied())
        {
            assert!(line[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {line}");
        }
        assert_eq!(line["factor"].is_string(), about.contains(&"factor"), "{line}");
        assert_eq!(line["table"], cli::serve::TABLE, "what the alarms look for");
    }
    let unknown = line_of(app.request(Method::GET, "/auth/factors?user_id=u")).await;
    assert_eq!((&unknown["outcome"], &unknown["code"]), (&json!("refused"), &json!("unauthorized")));
    assert!(unknown["environment"].is_null() && unknown["api_key"].is_null());
    let nowhere = line_of(app.request(Method::GET, "/nowhere")).await;
    assert_eq!((&nowhere["operation"], &nowhere["code"]), (&json!("none"), &json!("route_not_found")));
}

/// LOG-05, LOG-08: every field that was ever written, of any test that ran so far, is documented.
#[tokio::test(flavor = "multi_thread")]
async fn log_05_log_08_every_field_is_documented_and_every_dimension_bounded() {
    let app = App::start().await;
    let sms = app.enroll_phone("+447400123456").await;
    let challenge = app.challenge(&sms).await;
    assert!(app.is_valid(&challenge, &app.last_code()).await);
    let page = documented();
    let mut operations: BTreeSet<&str> = ROUTES.iter().map(|route| route.operation.into()).collect();
    operations.insert("none");
    for line in lines_with("") {
        for field in line.as_object().unwrap().keys() {
            assert!(page.contains(&format!("| `{field}` |")), "{field} is not documented");
        }
        // What the metrics' dimensions are made of.
        assert_eq!(line["table"], cli::serve::TABLE);
        assert!(operations.contains(line["operation"].as_str().unwrap()), "{line}");
        assert!(line["country"].as_str().is_none_or(|country| country.len() == 2));
    }
}

/// LOG-06: every line is one JSON object, whatever users and clients send.
#[tokio::test(flavor = "multi_thread")]
async fn log_06_no_text_of_a_client_forges_a_line() {
    let app = App::start().await;
    let forged = "\n{\"level\":\"FORGED\",\"schema\":1}\r\n";
    for field in ["type", "totp_issuer", "totp_user", "phone_number", "user_id", "code", "sms_template"] {
        let body = json!({"type": "totp", "totp_issuer": "a", "totp_user": "b", (field): forged});
        for path in [
            "/auth/factors/enroll",
            "/auth/factors/challenge",
            "/auth/factors/verify",
            "/user_management/users/u/auth_factors",
        ] {
            send(app.authorized(Method::POST, path).json(&body)).await;
        }
    }
    send(app.authorized(Method::GET, "/auth/factors/%0A%7B%22level%22%3A%22FORGED%22%7D")).await;
    send(app.authorized(Method::GET, "/%0A%7B%22level%22%3A%22FORGED%22%7D")).await;
    let logs = logged();
    assert!(!logs.contains("FORGED"));
    for line in logs.lines() {
        let line = serde_json::from_str::<Value>(line);
        assert!(line.is_ok_and(|line| line.is_object()), "every line is an object");
    }
}

/// LOG-03: nothing of the SDK's inputs and outputs is printed by our code.
#[test]
fn log_03_no_source_prints_what_is_sent_to_a_service() {
    for (path, text) in crate::architecture::sources("shared/src") {
        for line in text.lines().filter(|line| {
            ["tracing::", "format!", "write!", "println!"].iter().any(|macro_| line.contains(macro_))
        }) {
            for input in ["{publish", "{input", "?input", "?publish", "{request:?}", "{update:?}", "{put:?}"]
            {
                assert!(!line.contains(input), "{}: {line}", path.display());
            }
        }
    }
    // What the SDK itself would print of a message holds its code; that is why nothing prints it.
    let publish =
        aws_sdk_sns::operation::publish::PublishInput::builder().message("Your code is 424242").build();
    assert!(format!("{publish:?}").contains("424242"));
}

/// LOG-02: an event of the SDK below INFO goes nowhere, though every test server logs at TRACE.
#[tokio::test(flavor = "multi_thread")]
async fn log_02_the_sdk_is_held_at_info() {
    let app = App::start().await;
    app.enroll_phone("+447400123458").await;
    let mut loud = BTreeSet::new();
    for line in logged().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let target = line["target"].as_str().unwrap_or_default().to_owned();
        let of_the_sdk = ["aws_", "hyper", "h2", "rustls"].iter().any(|name| target.starts_with(name));
        if of_the_sdk && ["DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap_or_default()) {
            loud.insert(target);
        }
    }
    assert!(loud.is_empty(), "{loud:?}");
}

/// What `docs/EVENTS.md` shows as an example is what is written.
#[test]
fn the_example_in_the_documentation_has_the_documented_fields_only() {
    let page = documented();
    let example = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    for field in example.as_object().unwrap().keys() {
        assert!(page.contains(&format!("| `{field}` |")), "{field}");
    }
}

/// LOG-05, KEY-14: what the command writes down is documented, by name.
#[test]
fn log_05_every_event_of_an_operator_is_documented() {
    let (page, mut events) = (documented(), 0);
    for (path, text) in crate::architecture::sources("cli/src") {
        for word in text.split('"').skip(1).step_by(2) {
            let names = ["environment.", "api_key.", "keyring.", "factor.", "factors.", "export."];
            let done = [
                "created",
                "deleted",
                "revoked",
                "rotated",
                "rewrapped",
                "unlocked",
                "imported",
                "exported",
                "started",
            ];
            if names.iter().any(|name| word.strip_prefix(name).is_some_and(|rest| done.contains(&rest))) {
                assert!(page.contains(&format!("`{word}`")), "{word} of {}", path.display());
                events += 1;
            }
        }
    }
    assert!(events >= 11);
}
