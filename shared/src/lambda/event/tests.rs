//! F5: any event becomes a request or an error, and none panics.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn event() -> Value {
    json!({
        "rawPath": "/auth/factors",
        "rawQueryString": "",
        "headers": {"authorization": "Bearer k"},
        "requestContext": {"http": {"method": "GET"}},
    })
}

fn collected(body: Body) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(to_bytes(body, usize::MAX)).unwrap().into()
}

fn with(pointer: &str, value: Value) -> Value {
    let mut event = event();
    *event.pointer_mut(pointer).unwrap() = value;
    event
}

fn uri_of(event: &Value) -> String {
    request(&event.to_string()).unwrap().uri().to_string()
}

/// F5
#[test]
fn an_event_that_is_invalid_in_http_is_rejected() {
    for event in [
        Value::Null,
        json!([]),
        json!("GET / HTTP/1.1"),
        json!({}),
        with("/requestContext", json!(null)),
        with("/requestContext/http/method", json!("GE T")),
        with("/requestContext/http/method", json!("")),
        with("/rawPath", json!("")),
        with("/rawPath", json!("*")),
        with("/rawPath", json!("example.com/auth/factors")),
        with("/rawPath", json!("/".repeat(70_000))),
        with("/rawPath", json!(null)),
        with("/headers", json!("a: 1")),
    ] {
        assert!(request(&event.to_string()).is_err(), "{event}");
    }
    for text in ["", "{", "\"\\ud800\"", "{\"rawPath\": \"/\\ud800\"}", "1e999", &"[".repeat(10_000)] {
        assert!(request(text).is_err(), "{text}");
    }
}

/// F5
#[test]
fn a_query_keeps_its_meaning_and_invalid_characters_are_encoded() {
    for (raw, encoded) in [
        ("user_id=a%20b+c&type=totp", "user_id=a%20b+c&type=totp"),
        ("a=\"<> \\^`{|}", "a=%22%3C%3E%20%5C%5E%60%7B%7C%7D"),
        ("a=1#b", "a=1%23b"),
        ("a=\u{0}\n\u{7f}", "a=%00%0A%7F"),
        ("a=ü%", "a=%C3%BC%"),
    ] {
        let event = with("/rawQueryString", json!(raw));
        assert_eq!(uri_of(&event), format!("/auth/factors?{encoded}"));
    }
    assert_eq!(uri_of(&with("/rawQueryString", json!(null))), "/auth/factors");
    assert_eq!(uri_of(&with("/rawPath", json!("//evil.example/a b"))), "//evil.example/a%20b");
}

/// F5
#[test]
fn an_invalid_header_is_omitted() {
    let headers =
        json!({"a b": "1", "": "2", "x": "1\r\ny: 2", "y": ["a"], "z": 3, "host": "a b", "ok": "ü"});
    let request = request(&with("/headers", headers).to_string()).unwrap();
    let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["host", "ok"]);
}

#[test]
fn a_body_is_text_base64_or_absent() {
    let body = |body: Value, encoded: Value| {
        let mut event = event();
        (event["body"], event["isBase64Encoded"]) = (body, encoded);
        request(&event.to_string()).map(|request| collected(request.into_body()))
    };
    let is = |bytes: &[u8]| Ok(bytes.to_vec());
    assert_eq!(body(json!(null), json!(true)), is(b""));
    assert_eq!(body(json!("e30="), json!(false)), is(b"e30="));
    assert_eq!(body(json!("e30="), json!(true)), is(b"{}"));
    assert_eq!(body(json!("/w=="), json!(true)), is(&[0xff]));
    for (text, encoded) in [(json!("!"), json!(true)), (json!({}), json!(false)), (json!(""), json!(1))] {
        assert!(body(text, encoded).is_err());
    }
    assert!(request(&event().to_string()).is_ok(), "an event without a body");
}

#[test]
fn an_event_with_too_many_headers_is_rejected() {
    let headers: serde_json::Map<_, _> = (0..40_000).map(|n| (format!("x-{n}"), json!(""))).collect();
    assert!(request(&with("/headers", headers.into()).to_string()).is_err());
}

proptest! {
    /// F5
    #[test]
    fn no_event_panics(
        path in any::<String>(),
        query in any::<String>(),
        method in any::<String>(),
        headers in proptest::collection::hash_map(any::<String>(), any::<String>(), 0..8),
        body in any::<Option<String>>(),
        encoded in any::<bool>(),
    ) {
        let event = json!({
            "rawPath": format!("/{path}"),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {"http": {"method": method}},
            "body": body,
            "isBase64Encoded": encoded,
        });
        let _ = request(&event.to_string());
        // With a valid method and no body, any event is valid.
        let event = json!({
            "rawPath": format!("/{path}"),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {"http": {"method": "GET"}},
        });
        let read = request(&event.to_string());
        prop_assert!(read.is_ok());
        let uri = read.unwrap().into_parts().0.uri;
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
        prop_assert_eq!(decoded(uri.path()), format!("/{path}").into_bytes());
        prop_assert_eq!(decoded(uri.query().unwrap_or_default()), decoded(&query));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = request(&text);
    }
}

#[test]
fn a_request_has_the_gateways_id_if_it_has_one() {
    let has_id = |id: Value| {
        let event = with("/requestContext", json!({"http": {"method": "GET"}, "requestId": id}));
        request(&event.to_string()).unwrap().extensions().get::<GatewayRequestId>().is_some()
    };
    assert!(has_id(json!("JKJaXmPLvHcESHA=")));
    for id in [json!(null), json!(""), json!("a\nb")] {
        assert!(!has_id(id));
    }
}
