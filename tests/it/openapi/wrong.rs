//! Answers that the document does not allow are caught, and what is said about them tells no secret.

use super::contract::Contract;
use crate::app::Answer;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

const FACTOR: &str = "/auth/factors/auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
const VERIFY: &str = "/auth/challenges/auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ/verify";

fn example(name: &str) -> Value {
    Contract::get().document.at(&format!("/components/examples/{name}/value")).clone()
}

/// An answer with the headers that every answer has.
fn answer(status: u16, body: &Value) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-request-id", "JKJaXmPLvHcESHA="),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("content-type", "application/json; charset=utf-8"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Answer { status, headers, text: body.to_string() }
}

/// Why the document does not allow an answer.
fn reason(method: &Method, path: &str, answer: &Answer) -> String {
    Contract::get().kind(method, path, answer).expect_err("a reason")
}

fn is_allowed(method: &Method, path: &str, answer: &Answer) -> bool {
    Contract::get().kind(method, path, answer).is_ok()
}

#[test]
fn the_answers_that_are_bent_here_are_allowed_as_they_are() {
    for (method, path, status, name) in [
        (Method::POST, "/auth/factors/enroll", 201, "EnrolledTotp"),
        (Method::GET, FACTOR, 200, "TotpFactor"),
        (Method::GET, "/auth/factors", 200, "FactorList"),
        (Method::POST, VERIFY, 201, "WrongCode"),
        (Method::GET, FACTOR, 404, "EntityNotFound"),
        (Method::GET, FACTOR, 401, "Unauthorized"),
    ] {
        assert!(is_allowed(&method, path, &answer(status, &example(name))), "{name}");
    }
}

#[test]
fn a_wrong_field_is_caught() {
    /// What to put where; nothing removes the field.
    type Bend = (&'static str, Option<Value>);
    let enrolled: [Bend; 14] = [
        ("/surplus", Some(json!(1))),
        ("/totp/surplus", Some(json!(1))),
        ("/sms", Some(json!({"phone_number": "+15005550006"}))),
        ("/sms", Some(Value::Null)),
        ("/user_id", Some(Value::Null)),
        ("/updated_at", None),
        ("/created_at", Some(json!("2026-01-15T12:00:00Z"))),
        ("/created_at", Some(json!("2026-13-15T12:00:00.000Z"))),
        ("/id", Some(json!("auth_factor_1"))),
        ("/object", Some(json!("factor"))),
        ("/type", Some(json!("webauthn"))),
        ("/totp/secret", Some(json!("lowercase"))),
        ("/totp/uri", None),
        ("/totp/qr_code", Some(json!("data:image/svg+xml;base64,AA=="))),
    ];
    let read: [Bend; 2] =
        [("/totp/secret", Some(json!("LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW"))), ("/totp/user", None)];
    let verified: [Bend; 4] = [
        ("/challenge/code", Some(json!("123456"))),
        ("/code", Some(json!("123456"))),
        ("/valid", Some(json!("false"))),
        ("/challenge/expires_at", None),
    ];
    let list: [Bend; 3] = [
        ("/list_metadata/after", None),
        ("/data/0/user_id", None),
        ("/list_metadata/before", Some(json!("x"))),
    ];
    let unknown: [Bend; 4] = [
        ("/error", Some(json!("Not Found"))),
        ("/entity_id", None),
        ("/code", Some(json!("unauthorized"))),
        ("/message", Some(json!(""))),
    ];
    let bends = |method, path, (status, name): (u16, &'static str), bends: &[Bend]| {
        bends.iter().map(|bend| (method, path, status, name, bend.clone())).collect::<Vec<_>>()
    };
    let (get, post) = (&Method::GET, &Method::POST);
    let all = [
        bends(post, "/auth/factors/enroll", (201, "EnrolledTotp"), &enrolled),
        bends(get, FACTOR, (200, "TotpFactor"), &read),
        bends(post, VERIFY, (201, "WrongCode"), &verified),
        bends(get, "/auth/factors", (200, "FactorList"), &list),
        bends(get, FACTOR, (404, "EntityNotFound"), &unknown),
    ];
    for (method, path, status, name, (pointer, value)) in all.into_iter().flatten() {
        let mut body = example(name);
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => parent.insert(field.to_owned(), value),
            None => parent.remove(field),
        };
        let reason = reason(method, path, &answer(status, &body));
        assert!(reason.contains("at `"), "{name}, {pointer}: {reason}");
        for secret in ["LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW", "lowercase", "123456", "iVBORw0KGgo", "PHN2Zy"] {
            assert!(!reason.contains(secret), "{name}, {pointer}: the reason tells a secret");
        }
    }
}

#[test]
fn a_wrong_status_or_route_is_caught() {
    let factor = example("TotpFactor");
    for (method, path, status) in [
        (Method::GET, FACTOR, 201),
        (Method::GET, FACTOR, 409),
        (Method::POST, "/auth/factors/enroll", 200),
        (Method::GET, "/auth/factors/a/b", 200),
        (Method::GET, "/", 200),
        (Method::PUT, FACTOR, 200),
    ] {
        assert!(
            reason(&method, path, &answer(status, &factor)).contains("status is not documented"),
            "{path}"
        );
    }
    // An unknown route is told apart from an unknown factor.
    let unknown = answer(404, &example("EntityNotFound"));
    assert!(reason(&Method::GET, "/auth/nothing", &unknown).contains("route_not_found"));
    let no_route = answer(404, &json!({"code": "route_not_found", "message": "Not Found"}));
    assert!(is_allowed(&Method::GET, "/auth/nothing", &no_route));
    assert!(!is_allowed(&Method::POST, "/auth/factors/verify", &no_route));
    // So is a route that the server lacks from a path that is not text.
    assert!(reason(&Method::POST, VERIFY, &no_route).contains("the route is missing"));
    assert!(is_allowed(&Method::POST, "/auth/challenges/%ff/verify", &no_route));
}

#[test]
fn a_wrong_header_or_body_is_caught() {
    let good = || answer(200, &example("TotpFactor"));
    for (name, value) in [
        ("x-request-id", None),
        ("x-request-id", Some("a b")),
        ("cache-control", None),
        ("cache-control", Some("max-age=60")),
        ("x-content-type-options", None),
        ("strict-transport-security", Some("max-age=1")),
        ("content-type", None),
        ("content-type", Some("application/json")),
        ("server", Some("hyper")),
        ("retry-after", Some("1")),
    ] {
        let mut bent = good();
        match value {
            Some(value) => drop(bent.headers.insert(name, HeaderValue::from_static(value))),
            None => drop(bent.headers.remove(name)),
        }
        let reason = reason(&Method::GET, FACTOR, &bent);
        let named = if name == "content-type" { "content type" } else { name };
        assert!(reason.contains(named), "{name}: {reason}");
    }
    let mut twice = good();
    twice.headers.append("cache-control", HeaderValue::from_static("no-store"));
    assert!(reason(&Method::GET, FACTOR, &twice).contains("2 times"));
    let text = Answer { text: "not JSON".to_owned(), ..good() };
    assert!(reason(&Method::GET, FACTOR, &text).contains("not JSON"));
    assert!(reason(&Method::HEAD, FACTOR, &good()).contains("there is a body"));
    let mut deleted = answer(204, &Value::Null);
    deleted.headers.remove("content-type");
    assert!(reason(&Method::DELETE, FACTOR, &deleted).contains("there is a body"));

    let unavailable = || answer(503, &example("Unavailable"));
    for (seconds, allowed) in [("1", true), ("600", false), ("soon", false)] {
        let mut bent = unavailable();
        bent.headers.insert("retry-after", HeaderValue::from_static(seconds));
        assert_eq!(is_allowed(&Method::GET, FACTOR, &bent), allowed, "{seconds}");
    }
    assert!(reason(&Method::GET, FACTOR, &unavailable()).contains("retry-after"));
}
