//! Connections that are half-open, cut off, or sent nonsense.

use super::authority;
use super::process::Process;
use crate::app::{App, logged, other_than, send};
use crate::audit::line_of;
use reqwest::Method;
use serde_json::json;
use shared::domain::id::FactorId;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const HALF_A_HEAD: &str = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half";
const HALF_A_BODY: &str = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{";

fn connect(url: &str) -> TcpStream {
    TcpStream::connect(authority(url)).unwrap()
}

/// F18
#[test]
fn a_half_sent_request_to_any_port_does_not_keep_the_server_from_ending() {
    for signal in ["INT", "TERM"] {
        let mut server = Process::start("022", "--port 0 --in-memory --faults 0");
        let mut half_open = Vec::new();
        for name in ["listening on ", "DynamoDB  ", "KMS       ", "SNS       "] {
            for half in [HALF_A_HEAD, HALF_A_BODY] {
                let mut stream = connect(server.greeted(name));
                stream.write_all(half.as_bytes()).unwrap();
                half_open.push(stream);
            }
        }
        server.signal(signal);
        assert!(server.ended().success());
    }
}

/// F14
#[test]
fn the_greeting_says_what_the_network_can_reach() {
    let server = Process::start("022", "--port 0 --in-memory --addr 0.0.0.0");
    assert!(
        server.greeting.contains("Network   listening on 0.0.0.0: other machines can connect to this server")
    );
    assert!(server.greeting.contains("Messages  in the outbox; /_dev is off"), "{}", server.greeting);
    drop(server);
    let server = Process::start("022", "--port 0 --in-memory --addr 0.0.0.0 --expose-dev");
    assert!(server.greeted("Messages  ").ends_with("/_dev/sms"), "{}", server.greeting);
    drop(server);
    let server = Process::start("022", "--port 0 --in-memory");
    assert!(server.greeted("Messages  ").ends_with("/_dev/sms"), "{}", server.greeting);
    assert!(!server.greeting.contains("Network"), "{}", server.greeting);
}

/// F13: on AWS a function ends what it has begun; the local server does, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_guess_whose_client_hung_up_is_logged_if_it_was_counted() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(Some(dir.path().to_owned())).await;
    let key = app.local.api_key.expose().to_owned();
    let mut factors = Vec::new();
    for number in 0..60 {
        let factor = app.enroll(json!({"type": "generic_otp"})).await;
        let (challenge, code) = app.generic_challenge(&factor).await;
        let wrong = other_than(&code);
        let body = json!({ "code": wrong }).to_string();
        let mut stream = connect(&app.local.url);
        write!(
            stream,
            "POST /auth/challenges/{challenge}/verify HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        // The later, the further the server has got.
        std::thread::sleep(Duration::from_micros(number * 200));
        drop(stream);
        factors.push(FactorId::parse(&factor).unwrap());
    }
    // A server that stops ends what it has begun.
    app.local.stop().await;

    let app = App::start_in(Some(dir.path().to_owned())).await;
    let store = &app.local.core.store;
    let environment = store.environment(app.local.api_key.tag()).await.unwrap().unwrap().environment.id;
    let (logs, mut counted) = (logged(), 0);
    for factor in factors {
        let guard = store.factor(environment, factor).await.unwrap().unwrap().guard;
        let attempts = guard.spent.values().map(|spent| spent.attempts.len()).sum::<usize>();
        let is_line = |line: &&str| line.contains(&factor.bare()) && line.contains(r#""outcome":"wrong""#);
        assert_eq!(logs.lines().filter(is_line).count(), attempts, "{factor}");
        counted += attempts;
    }
    assert!(counted > 0);
    app.local.stop().await;
}

/// What the server answers to these bytes until it closes the connection.
fn answer_to(url: &str, bytes: &str) -> String {
    let mut stream = connect(url);
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// F19
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_chunk_is_malformed_and_not_too_large() {
    let app = App::start().await;
    let (url, key) = (app.local.url.clone(), app.local.api_key.expose());
    let broken = format!(
        "POST /auth/factors/enroll HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{{}}\r\n"
    );
    let answer = tokio::task::spawn_blocking(move || answer_to(&url, &broken)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("x-request-id: "), "{answer}");
    assert!(answer.contains("content-type: application/json; charset=utf-8"), "{answer}");
    assert!(answer.contains(r#"{"code":"malformed_json","#), "{answer}");
}

/// F19: [`send`] holds every refusal against the contract.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_any_size_and_dev_routes_are_refused_in_the_contracts_shape() {
    let app = App::start().await;
    for size in [1, 7, 17] {
        let body = " ".repeat(size * 1024 * 1024);
        let request = app.authorized(Method::POST, "/auth/factors/enroll").body(body);
        assert_eq!(send(request).await.expect(413)["code"], "request_too_large");
    }
    let json = |path: &str, body: &str| {
        let request = app.request(Method::POST, path).header("content-type", "application/json");
        request.body(body.to_owned())
    };
    for (request, status, code) in [
        (json("/_dev/clock", "{"), 400, "malformed_json"),
        (json("/_dev/clock", r#"{"advance_seconds":"soon"}"#), 422, "invalid_request_parameters"),
        (json("/_dev/clock", &" ".repeat(20_000)), 413, "request_too_large"),
        (app.request(Method::POST, "/_dev/clock").body("{}"), 415, "unsupported_media_type"),
        (app.request(Method::PUT, "/_dev/clock"), 405, "method_not_allowed"),
        (app.request(Method::POST, "/_dev/sms"), 405, "method_not_allowed"),
        (app.request(Method::GET, "/_dev/nothing"), 404, "route_not_found"),
    ] {
        assert_eq!(send(request).await.expect(status)["code"], code);
    }
}

/// F19
#[tokio::test(flavor = "multi_thread")]
async fn log_01_a_clients_own_method_is_not_in_its_audit_line() {
    let app = App::start().await;
    let method = Method::from_bytes("CLIENTSOWN".repeat(500).as_bytes()).unwrap();
    let line = line_of(app.request(method, "/auth/factors")).await;
    assert_eq!((&line["operation"], &line["code"]), (&json!("none"), &json!("method_not_allowed")));
    assert!(!line.to_string().contains("CLIENTSOWN"));
}
