//! The console's routes. `tests/browser/run` uses the page as a developer does.

use crate::app::{App, client, send};
use crate::architecture::root;
use cli::serve::Options;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use shared::config::Settings;
use shared::ports::Clock as _;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use tokio::time::timeout;

/// The maximum size of the page with all its files.
const MAX_BYTES: usize = 150_000;

async fn get(app: &App, path: &str) -> Response {
    app.request(Method::GET, path).send().await.unwrap()
}

/// The JSON of an answer that must have this status.
async fn dev(app: &App, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let request = app.request(method, &format!("/_dev/{path}"));
    let answer = body.into_iter().fold(request, |request, body| request.json(&body)).send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_are_small_and_load_nothing_else() {
    let app = App::start().await;
    let (mut bytes, mut texts) = (0, String::new());
    for path in ["/", "/_dev", "/_dev/"] {
        let page = get(&app, path).await;
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(
            page.headers()["content-security-policy"],
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        texts = page.text().await.unwrap();
        bytes = texts.len();
    }
    assert!(!texts.contains("<style") && !texts.contains("style=") && !texts.contains("onclick"));
    assert_eq!(texts.matches("<script").count(), 1);
    assert!(texts.lines().count() <= 250);

    let mut served = BTreeSet::new();
    for entry in fs::read_dir(root().join("cli/src/serve/console")).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("index.html") || path.extension().is_some_and(|extension| extension == "rs") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let file = get(&app, &format!("/_dev/console/{name}")).await;
        assert_eq!(file.status(), 200, "{name}");
        assert!(file.headers().contains_key("content-security-policy"));
        let text = file.text().await.unwrap();
        assert!(text.lines().count() <= 250, "{name} is two things");
        bytes += text.len();
        texts += &text;
        served.insert(name);
    }
    assert!(bytes <= MAX_BYTES, "{bytes} bytes");
    for name in &served {
        assert!(
            texts.contains(&format!("/_dev/console/{name}")) || texts.contains(&format!("'./{name}'")),
            "{name}"
        );
    }
    // An address of another origin is in what is copied, if anywhere: packages of SDKs, and the namespace of SVG.
    for (at, _) in texts.match_indices("://") {
        let before = &texts[at.saturating_sub(8)..at];
        assert!(before.ends_with("http") && texts[at..].starts_with("://www.w3.org/2000/svg"), "{before}");
    }
    assert_eq!(get(&app, "/_dev/console/nothing.js").await.status(), 404);
}

/// What the page does when its own key is revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_of_the_console_is_replaced_when_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(Some(dir.path().to_owned())).await;
    let (_, session) = dev(&app, Method::GET, "session", None).await;
    assert_eq!(session["url"], app.local.url);
    assert_eq!(session["environment"], "local");
    assert_eq!(session["api_key"], app.local.api_key.expose());
    // A key that is accepted is not replaced.
    assert_eq!(dev(&app, Method::POST, "session", None).await, (200, session.clone()));

    let path = format!("environments/local/api_keys/{}", session["api_key_id"].as_str().unwrap());
    assert_eq!(dev(&app, Method::DELETE, &path, None).await.0, 204);
    assert_eq!(dev(&app, Method::DELETE, &path, None).await.0, 422);
    let (_, revoked) = dev(&app, Method::GET, "session", None).await;
    assert_eq!((&revoked["api_key"], &revoked["api_key_id"]), (&Value::Null, &Value::Null));

    let (status, renewed) = dev(&app, Method::POST, "session", None).await;
    let key = renewed["api_key"].as_str().unwrap();
    assert_eq!(status, 200);
    assert_ne!(key, app.local.api_key.expose());
    assert_eq!(fs::read_to_string(dir.path().join("api-key")).unwrap().trim(), key);
    app.send_as(key, Method::POST, "/auth/factors/enroll", json!({"type": "generic_otp"})).await.expect(201);
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_and_keys_are_made_and_revoked() {
    let app = App::start().await;
    let (status, shop) = dev(&app, Method::POST, "environments", Some(json!({"environment": "shop"}))).await;
    assert_eq!((status, &shop["environment"], &shop["api_keys"]), (201, &json!("shop"), &json!([])));
    let body = json!({"scope": "verify", "expires_in_seconds": 3600});
    let (status, key) = dev(&app, Method::POST, "environments/shop/api_keys", Some(body)).await;
    assert_eq!((status, &key["scope"], &key["expired"]), (201, &json!("verify"), &json!(false)));
    let secret = key["key"].as_str().unwrap();
    assert!(secret.starts_with("sk_shop_"));
    let body = json!({"type": "generic_otp"});
    app.send_as(secret, Method::POST, "/auth/factors/enroll", body).await.expect(403);

    let (_, list) = dev(&app, Method::GET, "environments", None).await;
    let listed: Vec<_> =
        list["environments"].as_array().unwrap().iter().map(|one| &one["environment"]).collect();
    assert_eq!(listed, ["local", "shop"]);
    assert_eq!(list["environments"][1]["api_keys"][0]["id"], key["id"]);
    assert!(!list.to_string().contains(secret), "a key is shown once");

    for (path, body, says) in [
        ("environments", json!({"environment": "shop"}), "exists already, or is being deleted"),
        (
            "environments",
            json!({"environment": "Shop"}),
            "must be 1 to 32 lower-case letters, digits and hyphens",
        ),
        ("environments/none/api_keys", json!({"scope": "full"}), "does not exist, or is being deleted"),
        ("environments/shop/api_keys", json!({"scope": "all"}), "must be full, verify or read"),
        (
            "environments/shop/api_keys",
            json!({"scope": "full", "expires_in_seconds": 0}),
            "must be from a second to ten years",
        ),
    ] {
        let (status, answer) = dev(&app, Method::POST, path, Some(body)).await;
        assert_eq!((status, &answer["errors"][0]["code"]), (422, &json!(says)));
    }
    let path = format!("environments/shop/api_keys/{}", key["id"].as_str().unwrap());
    assert_eq!(dev(&app, Method::DELETE, &path, None).await, (204, Value::Null));
    assert_eq!(dev(&app, Method::DELETE, "environments/shop/api_keys/nothing", None).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn factors_are_shown_with_their_locks_and_unlocked() {
    let app = App::start().await;
    let body = json!({"type": "sms", "phone_number": "+15005550006", "user_id": "alice"});
    let factor = app.enroll(body).await;
    let challenge = app.challenge(&factor).await;
    app.enroll(json!({"type": "generic_otp"})).await;
    app.recovery_codes("alice", json!({})).await;
    let wrong = crate::app::other_than(&app.last_code());
    for _ in 0..5 {
        assert!(!app.is_valid(&challenge, wrong).await);
    }
    let (_, all) = dev(&app, Method::GET, "factors", None).await;
    assert_eq!(all["factors"].as_array().unwrap().len(), 2);
    let (_, mut hers) = dev(&app, Method::GET, "factors?user_id=alice", None).await;
    let until = hers["factors"][0]["locked_until"].take();
    assert_eq!(until, app.local.clock.now().plus(Duration::from_secs(30)).to_string());
    insta::assert_snapshot!(app.named(&[&hers]), @r#"{"damaged":[],"factors":[{"about":"+15005550006","challenges":[{"attempts":5,"expires_at":"<+600000 ms>","id":"<challenge 1>","max_attempts":5,"verified":false}],"created_at":"<+0 ms>","failures":5,"failures_today":5,"id":"<factor 1>","last_used_at":null,"locked":true,"locked_until":null,"max_failures_today":20,"name":null,"type":"sms","user_id":"alice"}],"more":false,"recovery_codes":[{"accept_on_challenges":false,"created_at":"<+0 ms>","failures":0,"locked":false,"locked_until":null,"remaining":10,"total":10,"user_id":"alice"}]}"#);

    assert_eq!(dev(&app, Method::POST, &format!("factors/{factor}/unlock"), None).await, (204, Value::Null));
    let (_, hers) = dev(&app, Method::GET, "factors?user_id=alice", None).await;
    let [unlocked] = hers["factors"].as_array().unwrap().as_slice() else { panic!("{hers}") };
    assert_eq!((&unlocked["locked"], &unlocked["failures_today"]), (&json!(false), &json!(0)));
    assert_eq!(unlocked["challenges"][0]["attempts"], 5, "what was tried stays tried");
    assert_eq!(dev(&app, Method::POST, "factors/auth_factor_1/unlock", None).await.0, 422);
    let none = dev(&app, Method::GET, "factors?user_id=bob", None).await;
    assert_eq!(none, (200, json!({"factors": [], "recovery_codes": [], "damaged": [], "more": false})));
}

/// A factor whose item is damaged hides no other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_factor_is_named() {
    let app = App::start().await;
    let damaged = app.enroll(json!({"type": "generic_otp", "user_id": "alice"})).await;
    let sound = app.enroll(json!({"type": "generic_otp", "user_id": "alice"})).await;
    let mut item = app.item(&damaged).await;
    item.remove("guard");
    app.put(item).await;
    for path in ["factors", "factors?user_id=alice"] {
        let (_, list) = dev(&app, Method::GET, path, None).await;
        assert_eq!(
            (&list["factors"][0]["id"], list["factors"].as_array().unwrap().len()),
            (&json!(sound), 1)
        );
        let named = list["damaged"][0].as_str().unwrap();
        assert!(
            named.contains(&damaged) && named.ends_with("(its `guard` is missing or invalid)"),
            "{named}"
        );
    }
}

/// Reads events until `enough` of them were received.
async fn events(response: &mut Response, enough: usize) -> String {
    let mut text = String::new();
    while text.matches("\n\n").count() < enough {
        let chunk = timeout(Duration::from_secs(20), response.chunk()).await.expect("an event").unwrap();
        text += std::str::from_utf8(&chunk.expect("no end")).unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_reported_as_it_happens() {
    let app = App::start().await;
    let factor = app.enroll_sms().await;
    let mut stream = get(&app, "/_dev/events").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let before = events(&mut stream, 1).await;
    assert!(before.starts_with("event: request") && before.contains(r#""status":201"#), "{before}");
    assert!(before.contains(r#""operation":"enroll""#), "{before}");

    app.challenge(&factor).await;
    let sent = events(&mut stream, 2).await;
    assert!(sent.starts_with("event: changed\ndata: sms\n\nevent: request\n"), "{sent}");
    assert!(!sent.contains(&app.last_code()), "no code is in a line");
    // What the console itself reads is not reported, and what it changes is.
    dev(&app, Method::GET, "clock", None).await;
    dev(&app, Method::POST, "clock", Some(json!({"advance_seconds": 30}))).await;
    dev(&app, Method::POST, "faults", Some(json!({"share": 0}))).await;
    assert_eq!(
        events(&mut stream, 2).await,
        "event: changed\ndata: clock\n\nevent: changed\ndata: faults\n\n"
    );
    // So are requests that are refused: of anyone without a key, and of pages.
    let request = || app.request(Method::GET, "/auth/factors");
    send(request()).await.expect(401);
    send(request().header("origin", "https://evil.example")).await.expect(403);
    let refused = events(&mut stream, 2).await;
    assert!(
        refused.contains(r#""code":"unauthorized""#) && refused.contains(r#""code":"forbidden""#),
        "{refused}"
    );

    // A server that stops does not wait for its readers.
    timeout(Duration::from_secs(1), app.local.stop()).await.expect("to stop at once");
    assert!(stream.chunk().await.unwrap_or_default().is_none());
}

/// Without `--faults`, too.
#[tokio::test(flavor = "multi_thread")]
async fn faults_are_turned_on_and_off() {
    let app = App::start().await;
    assert_eq!(dev(&app, Method::GET, "faults/plan", None).await, (200, json!({"share": 0.0})));
    assert_eq!(dev(&app, Method::POST, "faults", Some(json!({"share": 1}))).await, (204, Value::Null));
    assert_eq!(dev(&app, Method::GET, "faults/plan", None).await, (200, json!({"share": 1.0})));
    let enroll =
        || app.authorized(Method::POST, "/auth/factors/enroll").json(&json!({"type": "generic_otp"}));
    assert_eq!(send(enroll()).await.expect(503)["code"], "service_unavailable");
    let (_, counts) = dev(&app, Method::GET, "faults", None).await;
    assert!(counts.as_object().unwrap().values().any(|count| count.as_u64() > Some(0)), "{counts}");
    // The console's own routes still work.
    assert_eq!(dev(&app, Method::GET, "factors", None).await.0, 200);
    assert_eq!(dev(&app, Method::POST, "faults", Some(json!({"share": 0}))).await, (204, Value::Null));
    send(enroll()).await.expect(201);
}

/// A link on another page leads to the console, and a frame does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_to_the_console() {
    let settings = Settings::for_local(&|_| None).unwrap();
    let app = App::start_as(Options::in_memory(settings)).await;
    for (dest, status) in [("document", 200), ("iframe", 403)] {
        let request = client().get(format!("{}/", app.local.url)).header("sec-fetch-site", "cross-site");
        let request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", dest);
        assert_eq!(request.send().await.unwrap().status(), status, "{dest}");
    }
}
