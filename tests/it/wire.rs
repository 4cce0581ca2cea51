//! Every route with every outcome, as it goes over the wire: one transcript, compared byte for byte.
//!
//! What differs from run to run is replaced by its name: ids, moments (counted from the start), secrets, codes and images.
//! A change of the transcript is a change of the contract: read it line by line before it is accepted.

use crate::app::{Answer, App, client, other_than, try_send};
use cli::serve::faults::{Fault, Faults};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::domain::scope::Scope;
use shared::ports::Clock as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tests::names::Names;

const UNKNOWN_FACTOR: &str = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
const UNKNOWN_CHALLENGE: &str = "auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ";

/// Asks, and writes down what was asked and answered.
struct Transcript {
    app: App,
    names: Names,
    text: String,
}

impl Transcript {
    async fn start() -> Self {
        let app = App::start_with_faults(Faults::none()).await;
        let names = Names::new(Some(app.local.clock.now()));
        Self { app, names, text: String::new() }
    }

    fn heading(&mut self, text: &str) {
        writeln!(self.text, "\n# {text}\n").unwrap();
    }

    async fn post(&mut self, path: &str, body: Value) -> Value {
        let request = self.app.authorized(Method::POST, path).json(&body);
        self.ask(&format!("POST {path} {body}"), request).await
    }

    async fn get(&mut self, path: &str) -> Value {
        let request = self.app.authorized(Method::GET, path);
        self.ask(&format!("GET {path}"), request).await
    }

    async fn delete(&mut self, path: &str) -> Value {
        let request = self.app.authorized(Method::DELETE, path);
        self.ask(&format!("DELETE {path}"), request).await
    }

    async fn ask(&mut self, asked: &str, request: RequestBuilder) -> Value {
        let answer = try_send(request).await.unwrap();
        let headers: BTreeMap<String, String> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, _)| !["date", "content-length", "x-request-id"].contains(&name.as_str()))
            .collect();
        let Answer { status, text, .. } = answer;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        self.names.learn(&body);
        let usual = BTreeMap::from(
            [
                ("cache-control", "no-store"),
                ("content-type", "application/json; charset=utf-8"),
                ("strict-transport-security", "max-age=31536000; includeSubDomains"),
                ("x-content-type-options", "nosniff"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let unusual: Vec<String> = headers
            .iter()
            .filter(|(name, value)| usual.get(*name) != Some(value))
            .map(|(name, value)| format!("+ {name}: {value}\n"))
            .chain(usual.keys().filter(|name| !headers.contains_key(*name)).map(|name| format!("- {name}\n")))
            .collect();
        let text = self.names.replaced(&format!("{asked}\n{status}\n{}{text}", unusual.concat()));
        writeln!(self.text, "{text}\n").unwrap();
        body
    }

    async fn enroll(&mut self, body: Value) -> String {
        self.post("/auth/factors/enroll", body).await["id"].as_str().unwrap_or_default().to_owned()
    }

    async fn challenge(&mut self, factor: &str) -> (String, String) {
        let body = self.post(&format!("/auth/factors/{factor}/challenge"), json!({})).await;
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        (text("id"), text("code"))
    }

    async fn verify(&mut self, challenge: &str, code: &str) {
        let path = format!("/auth/challenges/{challenge}/verify");
        let request = self.app.authorized(Method::POST, &path).json(&json!({ "code": code }));
        // A code of an authenticator app is in no answer, so it has no name.
        let shown = if self.names.contains(code) { code } else { "…" };
        self.ask(&format!("POST {path} {{\"code\":\"{shown}\"}}"), request).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wire_is_what_it_was() {
    let mut wire = Transcript::start().await;
    enrolling(&mut wire).await;
    challenging_and_verifying(&mut wire).await;
    texting(&mut wire).await;
    managing(&mut wire).await;
    what_every_route_refuses(&mut wire).await;
    failing(&mut wire).await;
    insta::assert_snapshot!(wire.text);
}

async fn enrolling(wire: &mut Transcript) {
    wire.heading("Enroll");
    let totp = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice@example.com"});
    for body in [
        totp.clone(),
        json!({"type": "totp", "totp_issuer": "Füü 🔑", "totp_user": "a b", "user_id": "user_1", "phone_number": null}),
        json!({"type": "sms", "phone_number": "+15005550006", "user_id": "user_1"}),
        json!({"type": "generic_otp", "totp_issuer": "", "user_id": ""}),
        json!({}),
        json!(null),
        json!([]),
        json!({"type": "webauthn"}),
        json!({"type": 7}),
        json!({"type": "totp"}),
        json!({"type": "totp", "totp_issuer": "a:b", "totp_user": "a\nb", "user_id": "\u{7}"}),
        json!({"type": "totp", "totp_issuer": "a".repeat(256), "totp_user": 5}),
        json!({"type": "sms"}),
        json!({"type": "sms", "phone_number": "foo"}),
        json!({"type": "sms", "phone_number": "16073517112"}),
        json!({"type": "sms", "phone_number": "+19002345678"}),
    ] {
        wire.enroll(body).await;
    }
    wire.heading("Enroll for a user");
    for body in [
        json!({"type": "totp"}),
        json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "bob", "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}),
        json!({"type": "totp", "totp_secret": "JBSWY3DP"}),
        json!({"type": "totp", "totp_secret": "not base32!"}),
        json!({"type": "sms", "phone_number": "+15005550006"}),
        json!({}),
    ] {
        wire.post("/user_management/users/user_2/auth_factors", body).await;
    }
    wire.post("/user_management/users/a%3Ab/auth_factors", json!({"type": "totp"})).await;
    wire.post("/user_management/users/a%07b/auth_factors", json!({"type": "totp"})).await;
}

async fn challenging_and_verifying(wire: &mut Transcript) {
    wire.heading("Challenge and verify an authenticator app");
    let totp = wire.app.enroll_totp().await;
    wire.names.give(&totp.id, "<factor of the app>");
    let (right, wrong) = (wire.app.code_of(&totp, 0), wire.app.wrong_code(&totp));
    let (challenge, _) = wire.challenge(&totp.id).await;
    wire.verify(&challenge, &wrong).await;
    wire.verify(&challenge, &right).await;
    wire.verify(&challenge, &right).await;
    let (challenge, _) = wire.challenge(&totp.id).await;
    wire.verify(&challenge, &right).await;
    for body in [json!({"code": "12345"}), json!({"code": 123_456}), json!({"code": ""}), json!({})] {
        wire.post(&format!("/auth/challenges/{challenge}/verify"), body).await;
    }
    wire.heading("Too many guesses, and a locked factor");
    for _ in 0..4 {
        wire.verify(&challenge, &wrong).await;
    }
    wire.verify(&challenge, &wrong).await;
    let (_, _) = wire.challenge(&totp.id).await;
    wire.app.advance(600);
    wire.verify(&challenge, &wrong).await;
    wire.heading("The routes of old SDKs");
    let generic = wire.enroll(json!({"type": "generic_otp"})).await;
    let opened = wire.post("/auth/factors/challenge", json!({"authentication_factor_id": generic})).await;
    let (id, code) = (opened["id"].as_str().unwrap(), opened["code"].as_str().unwrap());
    let body = json!({"authentication_challenge_id": id, "code": code});
    wire.post("/auth/factors/verify", body).await;
    for path in ["/auth/factors/challenge", "/auth/factors/verify"] {
        wire.post(path, json!({})).await;
        let unknown = json!({
            "authentication_factor_id": UNKNOWN_FACTOR,
            "authentication_challenge_id": UNKNOWN_CHALLENGE,
            "code": "123456",
        });
        wire.post(path, unknown).await;
    }
    wire.heading("A generic code");
    let (challenge, code) = wire.challenge(&generic).await;
    wire.verify(&challenge, other_than(&code)).await;
    wire.verify(&challenge, &code).await;
    wire.verify(&challenge, &code).await;
    wire.heading("Unknown");
    for id in [UNKNOWN_CHALLENGE, "nonsense", "auth_challenge_%2F", UNKNOWN_FACTOR] {
        wire.verify(id, "123456").await;
    }
    for id in [UNKNOWN_FACTOR, "nonsense", UNKNOWN_CHALLENGE] {
        wire.challenge(id).await;
    }
}

async fn texting(wire: &mut Transcript) {
    wire.heading("A text message");
    let factor = wire.enroll(json!({"type": "sms", "phone_number": "+15005550016"})).await;
    let path = format!("/auth/factors/{factor}/challenge");
    for template in ["no code", "{{code}} {{code}}", "{{code}}\u{7}", &"a".repeat(200)] {
        let template =
            if template.contains("code") { template.to_owned() } else { format!("{{{{code}}}}{template}") };
        wire.post(&path, json!({ "sms_template": template })).await;
    }
    wire.post(&path, json!({"sms_template": "Foo: no code"})).await;
    let keyed = |wire: &Transcript| {
        wire.app
            .authorized(Method::POST, &path)
            .header("idempotency-key", "login-1")
            .json(&json!({"sms_template": null}))
    };
    let request = keyed(wire);
    let opened = wire.ask("POST …/challenge, Idempotency-Key: login-1", request).await;
    let request = keyed(wire);
    wire.ask("POST …/challenge, Idempotency-Key: login-1", request).await;
    wire.post(&path, json!({})).await;
    let code = wire.app.last_code();
    wire.verify(opened["id"].as_str().unwrap(), &code).await;
    let request = keyed(wire);
    wire.ask("POST …/challenge, Idempotency-Key: login-1", request).await;
    wire.app.advance(30);
    wire.post(&path, json!({"sms_template": ""})).await;
}

async fn managing(wire: &mut Transcript) {
    wire.heading("Read and delete");
    let factor =
        wire.enroll(json!({"type": "sms", "phone_number": "+15005550006", "user_id": "user_3"})).await;
    let path = format!("/auth/factors/{factor}");
    wire.get(&path).await;
    wire.delete(&path).await;
    wire.get(&path).await;
    wire.delete(&path).await;
    wire.challenge(&factor).await;
    for id in ["nonsense", UNKNOWN_CHALLENGE, "%ff"] {
        wire.get(&format!("/auth/factors/{id}")).await;
    }
    wire.heading("Lists");
    for n in 0..3 {
        // Ids of one millisecond have no order.
        wire.app.advance(1);
        wire.enroll(
            json!({"type": "totp", "totp_issuer": "Foo", "totp_user": n.to_string(), "user_id": "user_4"}),
        )
        .await;
        wire.app.advance(1);
        wire.enroll(json!({"type": "generic_otp", "user_id": "user_4"})).await;
    }
    wire.get("/auth/factors?user_id=user_4&limit=100").await;
    let first = wire.get("/auth/factors?user_id=user_4&type=totp&limit=1").await;
    let after = first["list_metadata"]["after"].as_str().unwrap_or_default().to_owned();
    wire.get(&format!("/auth/factors?user_id=user_4&type=totp&limit=1&after={after}")).await;
    wire.get(&format!("/auth/factors?user_id=user_4&type=totp&limit=1&before={after}")).await;
    wire.get(&format!("/auth/factors?user_id=user_4&before={after}&after={after}")).await;
    for query in
        ["limit=2&order=asc", "limit=2&order=normal", "limit=100", "limit=0", "limit=x&order=up&after=x"]
    {
        wire.get(&format!("/user_management/users/user_4/auth_factors?{query}")).await;
    }
    for query in [
        "",
        "user_id=",
        "user_id=user_4&type=webauthn",
        "user_id=nobody",
        "user_id=%ff",
        "user_id=a&user_id=b",
    ] {
        wire.get(&format!("/auth/factors?{query}")).await;
    }
    wire.get("/user_management/users/nobody/auth_factors").await;
    wire.get("/user_management/users/a%07/auth_factors").await;
}

async fn what_every_route_refuses(wire: &mut Transcript) {
    wire.heading("Keys");
    let request = wire.app.request(Method::GET, "/auth/factors?user_id=user_4");
    wire.ask("GET without a key", request).await;
    let request =
        wire.app.request(Method::GET, "/auth/factors?user_id=user_4").bearer_auth("sk_local_nonsense");
    wire.ask("GET with a malformed key", request).await;
    for scope in [Scope::Verify, Scope::Read] {
        let key = wire.app.api_key("other", scope, None).await;
        for (method, path) in crate::contract::ROUTES {
            let request =
                wire.app.request(method.clone(), path).bearer_auth(&key).json(&json!({"code": "123456"}));
            wire.ask(&format!("{method} {path} with a key of scope {}", scope.name()), request).await;
        }
    }
    wire.heading("Shapes");
    for (method, path) in [
        (Method::GET, "/nothing"),
        (Method::GET, "/auth/factors/enroll"),
        (Method::PUT, "/auth/factors/enroll"),
        (Method::PATCH, "/auth/challenges/a/verify"),
        (Method::POST, "/auth/nothing"),
        (Method::GET, "/_dev/nothing"),
        (Method::HEAD, "/auth/factors/a"),
        (Method::OPTIONS, "/auth/factors/a"),
    ] {
        let request = wire.app.authorized(method.clone(), path);
        wire.ask(&format!("{method} {path}"), request).await;
    }
    for (what, kind, body) in [
        ("text", "text/plain", "{}".to_owned()),
        ("a form", "application/x-www-form-urlencoded", "type=totp".to_owned()),
        ("broken JSON", "application/json", "{".to_owned()),
        ("a JSON string", "application/json", "\"totp\"".to_owned()),
        ("a list of things", "application/json; charset=utf-8", "[1]".to_owned()),
        ("17 KB", "application/json", format!("\"{}\"", "a".repeat(17_000))),
    ] {
        let request =
            wire.app.authorized(Method::POST, "/auth/factors/enroll").header("content-type", kind).body(body);
        wire.ask(&format!("POST /auth/factors/enroll with {what}"), request).await;
    }
    let request = client()
        .post(format!("{}/auth/factors/enroll", wire.app.local.url))
        .bearer_auth(wire.app.local.api_key.expose());
    wire.ask("POST /auth/factors/enroll with no body", request).await;
}

async fn failing(wire: &mut Transcript) {
    wire.heading("Faults");
    let generic = wire.enroll(json!({"type": "generic_otp", "user_id": "user_5"})).await;
    let (challenge, code) = wire.challenge(&generic).await;
    wire.app.faults().plan(|_| Some(Fault::ServerError));
    wire.enroll(json!({"type": "generic_otp"})).await;
    wire.challenge(&generic).await;
    wire.verify(&challenge, &code).await;
    wire.get(&format!("/auth/factors/{generic}")).await;
    wire.get("/auth/factors?user_id=user_5").await;
    wire.delete(&format!("/auth/factors/{generic}")).await;
    wire.app.faults().plan(|_| None);
    wire.verify(&challenge, &code).await;
    wire.heading("Expired");
    let (challenge, code) = wire.challenge(&generic).await;
    wire.app.advance(600);
    wire.verify(&challenge, &code).await;
}
