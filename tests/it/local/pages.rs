//! Requests of web pages, as a browser sends them. `tests/browser/run` has a real one send them.

use super::{assert_no_cors, attacks, authority, is_refused};
use crate::app::{Answer, App, Item, send};
use cli::serve::Options;
use cli::serve::faults::Faults;
use cli::serve::faults::proxy::Proxy;
use cli::serve::listen::Listener;
use cli::serve::{Endpoints, kms::KEY_ID};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::config::Settings;
use shared::ports::Clock as _;
use std::future::pending;
use std::net::Ipv4Addr;

/// What a browser adds to the requests of pages that are not the server's own: `Host`, and `Origin` for most of them.
fn headers_of_pages(host: &str) -> Vec<(String, Option<String>)> {
    let port = host.rsplit_once(':').unwrap().1;
    let (own, rebound) = (host.to_owned(), format!("evil.example:{port}"));
    vec![
        (own.clone(), Some("https://evil.example".to_owned())),
        (own.clone(), Some("null".to_owned())),
        (own.clone(), Some("http://127.0.0.1:1".to_owned())),
        (own, Some(format!("http://{rebound}"))),
        // A name that was made to resolve to this machine: a page there may read what it gets.
        (rebound.clone(), Some(format!("http://{rebound}"))),
        (rebound, None),
    ]
}

/// A request as each of those pages sends it.
fn of_pages(host: &str, request: &RequestBuilder) -> Vec<RequestBuilder> {
    let pages = headers_of_pages(host).into_iter();
    pages
        .map(|(host, origin)| {
            let request = request.try_clone().unwrap().header("host", host);
            origin.into_iter().fold(request, |request, origin| {
                request.header("origin", origin).header("access-control-request-method", "POST")
            })
        })
        .collect()
}

/// Everything a page could change.
async fn state(app: &App) -> (Vec<Item>, usize, i64) {
    (app.dump().await, app.local.outbox.messages().unwrap().len(), app.local.clock.now().millis())
}

async fn is_forbidden(request: RequestBuilder) {
    let answer = send(request).await;
    assert_no_cors(&answer.headers);
    let message = "The request's Host or Origin is not one of this server's own.";
    assert_eq!(answer.expect(403), json!({"code": "forbidden", "message": message}));
}

/// F2, F3, F16
#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_elsewhere_is_refused_on_every_port_and_changes_nothing() {
    let app = App::start().await;
    let factor = app.enroll_sms().await;
    app.challenge(&factor).await;
    let before = state(&app).await;

    let (port, body) = (authority(&app.local.url), json!({"advance_seconds": 3600}));
    for request in [
        app.authorized(Method::GET, "/_dev/sms"),
        app.authorized(Method::DELETE, "/_dev/sms"),
        app.authorized(Method::POST, "/_dev/clock").json(&body),
        app.authorized(Method::POST, "/_dev/clock").body(body.to_string()),
        app.authorized(Method::POST, "/_dev/sns/")
            .body("Action=Publish&PhoneNumber=%2B15005550006&Message=m"),
        app.authorized(Method::POST, "/auth/factors/enroll").json(&json!({"type": "generic_otp"})),
        app.authorized(Method::GET, &format!("/auth/factors/{factor}")),
        app.authorized(Method::DELETE, &format!("/auth/factors/{factor}")),
        app.authorized(Method::OPTIONS, "/auth/factors/enroll"),
        app.authorized(Method::GET, "/nothing-here"),
        app.authorized(Method::GET, "/"),
        app.authorized(Method::GET, "/_dev/console/main.js"),
        app.authorized(Method::GET, "/_dev/session"),
        app.authorized(Method::POST, "/_dev/session"),
        app.authorized(Method::GET, "/_dev/events"),
        app.authorized(Method::GET, "/_dev/factors"),
        app.authorized(Method::POST, &format!("/_dev/factors/{factor}/unlock")),
        app.authorized(Method::POST, "/_dev/faults").json(&json!({"share": 1})),
        app.authorized(Method::GET, "/_dev/environments"),
        app.authorized(Method::POST, "/_dev/environments").json(&json!({"environment": "theirs"})),
        app.authorized(Method::POST, "/_dev/environments/local/api_keys").json(&json!({"scope": "full"})),
        app.authorized(
            Method::DELETE,
            "/_dev/environments/local/api_keys/api_key_01FZ4TS0MWPZR7GATS7KCXANQZ",
        ),
    ] {
        for request in of_pages(&port, &request) {
            is_forbidden(request).await;
        }
        // Images, scripts and frames: without an `Origin`, but a browser says where they come from.
        for (site, mode, dest) in [
            ("cross-site", "no-cors", "script"),
            ("same-site", "no-cors", "image"),
            ("cross-site", "navigate", "iframe"),
        ] {
            let request = request.try_clone().unwrap().header("sec-fetch-site", site);
            is_forbidden(request.header("sec-fetch-mode", mode).header("sec-fetch-dest", dest)).await;
        }
    }
    // Even a page that knew the token.
    let (dynamodb, kms, sns) = (&app.local.dynamodb_url, &app.local.kms_url, &app.local.sns_url);
    for request in attacks(dynamodb, kms, sns) {
        let port = authority(request.try_clone().unwrap().build().unwrap().url().as_str());
        for request in of_pages(&port, &request) {
            is_refused(request).await;
        }
    }
    assert_eq!(state(&app).await, before);
}

/// F2, F3: the proxy of `--faults` is a way to all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_elsewhere_is_refused_by_the_fault_proxy() {
    let app = App::start().await;
    let local = &app.local;
    let (dynamodb, kms, sns) = (local.dynamodb_url.clone(), local.kms_url.clone(), local.sns_url.clone());
    let proxy = Proxy { upstream: Endpoints { dynamodb, kms, sns }, faults: Faults::none(), watch: None };
    let listener = Listener::loopback(0, None).await.unwrap();
    let url = listener.url().to_owned();
    tokio::spawn(proxy.serve(listener, pending()));
    for request in attacks(&url, &url, &url) {
        for request in of_pages(&authority(&url), &request) {
            is_refused(request).await;
        }
    }
    assert!(app.local.outbox.messages().unwrap().is_empty());
    let data_key = json!({"KeyId": KEY_ID, "NumberOfBytes": 32});
    let answer = super::kms(&crate::app::client(), &url, "GenerateDataKey", &data_key).send().await.unwrap();
    assert_eq!(answer.status(), 200, "an SDK is let through");
}

/// A console that this server hands out itself may use it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_servers_own_may_use_the_api() {
    let app = App::start().await;
    let port = authority(&app.local.url).rsplit_once(':').unwrap().1.to_owned();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let enroll =
            app.authorized(Method::POST, "/auth/factors/enroll").json(&json!({"type": "generic_otp"}));
        let own = enroll.header("host", &host).header("origin", format!("http://{host}"));
        let answer = send(own).await;
        answer.expect(201);
        assert_no_cors(&answer.headers);
    }
}

async fn on_the_network(expose_dev: bool) -> App {
    let settings = Settings::for_local(&|_| None).unwrap();
    let addr = Ipv4Addr::UNSPECIFIED.into();
    App::start_as(Options { addr, expose_dev, ..Options::in_memory(settings) }).await
}

async fn dev(app: &App, method: Method, path: &str) -> Answer {
    send(app.request(method, path)).await
}

/// F14
#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_the_network_has_no_dev_routes_and_sends_messages_all_the_same() {
    let app = on_the_network(false).await;
    for path in [
        "/_dev/sms",
        "/_dev/clock",
        "/_dev/faults",
        "/_dev/sns/",
        "/",
        "/_dev/",
        "/_dev/session",
        "/_dev/console/main.js",
    ] {
        let answer = dev(&app, Method::GET, path).await;
        assert_eq!(answer.expect(404), json!({"code": "route_not_found", "message": "Not Found"}));
    }
    let factor = app.enroll_sms().await;
    let challenge = app.challenge(&factor).await;
    assert!(app.is_valid(&challenge, &app.last_code()).await);
}

/// F14
#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_the_network_has_dev_routes_if_that_was_asked_for() {
    let app = on_the_network(true).await;
    let answer = app.request(Method::GET, "/_dev/sms").send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), json!([]));
}

/// The console hands out the API key, so no other machine gets it, whatever was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_the_network_has_no_console() {
    let app = on_the_network(true).await;
    for path in
        ["/", "/_dev", "/_dev/", "/_dev/session", "/_dev/events", "/_dev/factors", "/_dev/environments"]
    {
        let answer = dev(&app, Method::GET, path).await;
        assert_eq!(answer.expect(404), json!({"code": "route_not_found", "message": "Not Found"}));
    }
}
