//! What every route does alike: keys, shapes of refusal, limits of a body (contract §5, §6; NET-09, NET-10).

use crate::app::{App, send};
use reqwest::Method;
use serde_json::json;

pub(crate) const ROUTES: [(Method, &str); 14] = [
    (Method::POST, "/auth/factors/enroll"),
    (Method::POST, "/user_management/users/user_1/auth_factors"),
    (Method::POST, "/auth/factors/auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ/challenge"),
    (Method::POST, "/auth/factors/challenge"),
    (Method::POST, "/auth/challenges/auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ/verify"),
    (Method::POST, "/auth/factors/verify"),
    (Method::GET, "/auth/factors/auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ"),
    (Method::DELETE, "/auth/factors/auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ"),
    (Method::GET, "/user_management/users/user_1/auth_factors"),
    (Method::GET, "/auth/factors?user_id=user_1"),
    (Method::POST, "/user_management/users/user_1/recovery_codes"),
    (Method::POST, "/user_management/users/user_1/recovery_codes/verify"),
    (Method::GET, "/user_management/users/user_1/recovery_codes"),
    (Method::DELETE, "/user_management/users/user_1/recovery_codes"),
];

#[tokio::test(flavor = "multi_thread")]
async fn key_04_only_one_bearer_header_with_a_known_key_is_let_in() {
    let app = App::start().await;
    let known = app.local.api_key.expose();
    let mut mistyped = known.to_owned();
    mistyped.pop();
    mistyped.push('!');
    let unknown = "sk_local_000000000000000000000000000000".to_owned();
    for (method, path) in ROUTES {
        let bare = || app.request(method.clone(), path);
        for (request, what) in [
            (bare(), "no key"),
            (bare().bearer_auth(&mistyped), "mistyped"),
            (bare().bearer_auth(&unknown), "malformed"),
            (bare().bearer_auth(""), "empty"),
            (bare().basic_auth(known, None::<&str>), "basic"),
            (bare().header("authorization", known), "no scheme"),
            (bare().header("cookie", format!("authorization={known}")), "cookie"),
            (bare().header("x-api-key", known), "another header"),
            (
                app.request(
                    method.clone(),
                    &format!("{path}{}api_key={known}", if path.contains('?') { '&' } else { '?' }),
                ),
                "query",
            ),
            (bare().bearer_auth(known).bearer_auth(known), "two headers"),
        ] {
            // KEY-05: refused before the body is looked at.
            let answer = send(request.header("content-type", "text/plain").body("{")).await;
            let refused = json!({"code": "unauthorized", "message": "Unauthorized"});
            assert_eq!(answer.expect(401), refused, "{what} at {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_net_10_every_refusal_has_the_contracts_shape() {
    let app = App::start().await;
    for (method, path) in ROUTES.into_iter().filter(|(method, _)| *method == Method::POST) {
        let with = |content_type: &str, body: String| {
            app.authorized(method.clone(), path).header("content-type", content_type).body(body)
        };
        for (content_type, body, status, code) in [
            ("text/plain", r#"{"type":"totp"}"#.to_owned(), 415, "unsupported_media_type"),
            ("application/x-www-form-urlencoded", "type=totp".to_owned(), 415, "unsupported_media_type"),
            ("application/json", "{".to_owned(), 400, "malformed_json"),
            ("application/json", "\"text\"".to_owned(), 400, "malformed_json"),
            ("application/json", "[1]".to_owned(), 400, "malformed_json"),
            ("application/json", "[".repeat(4_000), 400, "malformed_json"),
            ("application/json", "\u{feff}{}".to_owned(), 400, "malformed_json"),
            (
                "application/json",
                format!("{{\"x\":\"{}\"}}", "x".repeat(16 * 1024)),
                413,
                "request_too_large",
            ),
            (
                "application/json",
                format!("{{\"code\":\"{}\"}}", "1".repeat(1_000_000)),
                413,
                "request_too_large",
            ),
        ] {
            let refused = send(with(content_type, body)).await.expect(status);
            assert_eq!(refused["code"], code, "{path}");
        }
    }
    for (method, path, status, code) in [
        (Method::GET, "/nothing", 404, "route_not_found"),
        (Method::GET, "/auth", 404, "route_not_found"),
        (Method::POST, "/auth/factors/enroll/", 404, "route_not_found"),
        (Method::GET, "/auth/factors/enroll/x", 404, "route_not_found"),
        (Method::PATCH, "/auth/factors/auth_factor_x", 405, "method_not_allowed"),
        (Method::PUT, "/auth/factors/auth_factor_x", 405, "method_not_allowed"),
        (Method::DELETE, "/auth/factors/enroll", 405, "method_not_allowed"),
        (Method::GET, "/auth/challenges/auth_challenge_x/verify", 405, "method_not_allowed"),
    ] {
        let refused = send(app.authorized(method, path)).await;
        assert_eq!(refused.expect(status)["code"], code, "{path}");
        assert_eq!(refused.headers.contains_key("allow"), status == 405);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn net_10_a_body_is_taken_whole_before_it_is_refused() {
    let app = App::start().await;
    let body = || "1".repeat(5_000_000);
    for _ in 0..20 {
        let (path, no_route) = ("/auth/factors/enroll", "/auth/none");
        send(app.request(Method::POST, path).body(body())).await.expect(401);
        send(app.authorized(Method::POST, path).body(body())).await.expect(413);
        send(app.authorized(Method::POST, no_route).body(body())).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_differ_and_connections_are_kept() {
    use std::io::{Read as _, Write as _};
    let app = App::start().await;
    let address = app.local.url.strip_prefix("http://").unwrap().to_owned();
    let ids = tokio::task::spawn_blocking(move || {
        let mut connection = std::net::TcpStream::connect(&address).unwrap();
        let mut ask = || {
            write!(connection, "GET /auth/factors/x HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
            let mut buffer = [0; 4_096];
            let length = connection.read(&mut buffer).unwrap();
            let answer = String::from_utf8(buffer[..length].to_vec()).unwrap();
            // Lower case on the wire: old PHP SDKs look for nothing else.
            let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
            id.to_owned()
        };
        [ask(), ask()]
    });
    let [first, second] = ids.await.unwrap();
    assert_ne!(first, second);
}
