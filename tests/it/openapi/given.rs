//! Every answer that the document names is given, by the operation that it names it for; and [`super::is_allowed`] lets no other
//! pass.

use super::contract::{Contract, Kind, Operation};
use super::is_allowed;
use crate::app::{Answer, App, other_than, send};
use crate::faults::{ask, assemble, refusing};
use cli::serve::faults::{Fault, Faults};
use http::{HeaderMap, StatusCode};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::domain::scope::Scope;
use shared::http::factors;
use shared::lambda::Gateway;
use std::collections::BTreeSet;

const UNKNOWN_FACTOR: &str = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
const UNKNOWN_RECOVERY_CODE: &str = "0000-0000-0000-0000-0000-0000";
const UNKNOWN_CHALLENGE: &str = "auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ";

/// What was answered so far.
struct Given {
    kinds: BTreeSet<Kind>,
}

/// Values for what a request needs.
#[derive(Clone)]
struct Words {
    factor: String,
    challenge: String,
    user: String,
    code: String,
    recovery_code: String,
}

impl Words {
    fn unknown() -> Self {
        let [factor, challenge, code] = [UNKNOWN_FACTOR, UNKNOWN_CHALLENGE, "123456"].map(str::to_owned);
        let recovery_code = UNKNOWN_RECOVERY_CODE.to_owned();
        Self { factor, challenge, user: "user_1".to_owned(), code, recovery_code }
    }

    fn of(factor: &str) -> Self {
        Self { factor: factor.to_owned(), ..Self::unknown() }
    }

    fn guess(challenge: &str, code: &str) -> Self {
        Self { challenge: challenge.to_owned(), code: code.to_owned(), ..Self::unknown() }
    }

    fn path(&self, operation: &Operation) -> String {
        let id = if operation.path.starts_with("/auth/challenges") { &self.challenge } else { &self.factor };
        let path = operation.path.replace("{id}", id).replace("{user_id}", &self.user);
        if operation.id == "listFactors" { format!("{path}?user_id={}", self.user) } else { path }
    }

    fn body(&self, operation: &Operation) -> Option<Value> {
        match operation.id.as_str() {
            "enrollFactor" => Some(json!({"type": "generic_otp"})),
            "enrollUserFactor" => Some(json!({"type": "totp"})),
            "challengeFactor" | "createRecoveryCodes" => Some(json!({})),
            "verifyRecoveryCode" => Some(json!({"code": self.recovery_code})),
            "challengeFactorByBody" => Some(json!({"authentication_factor_id": self.factor})),
            "verifyChallenge" => Some(json!({"code": self.code})),
            "verifyChallengeByBody" => {
                Some(json!({"authentication_challenge_id": self.challenge, "code": self.code}))
            }
            _ => None,
        }
    }
}

/// The operations whose IDs contain one of these texts.
fn operations(ids: &[&str]) -> Vec<&'static Operation> {
    let operations = Contract::get().operations.iter();
    let found: Vec<_> =
        operations.filter(|operation| ids.iter().any(|id| operation.id.contains(id))).collect();
    assert!(!found.is_empty(), "{ids:?}");
    found
}

fn request(app: &App, operation: &Operation, words: &Words) -> RequestBuilder {
    let request = app.authorized(operation.method.clone(), &words.path(operation));
    words.body(operation).iter().fold(request, RequestBuilder::json)
}

impl Given {
    /// Notes an answer to an operation.
    fn note(&mut self, operation: &Operation, path: &str, answer: &Answer) {
        let path = path.split('?').next().unwrap();
        let kind = Contract::get().kind(&operation.method, path, answer).unwrap();
        assert_eq!(kind.operation, operation.id, "{path}");
        self.kinds.insert(kind);
    }

    /// Sends a request, and notes that it was answered with this status and code.
    async fn expect(
        &mut self,
        operation: &Operation,
        request: RequestBuilder,
        expected: (u16, &str),
    ) -> Value {
        let path = request.try_clone().unwrap().build().unwrap().url().path().to_owned();
        let answer = send(request).await;
        let body = answer.json();
        let code = body["code"].as_str().filter(|_| answer.status >= 400).unwrap_or("none");
        assert_eq!((answer.status, code), expected, "{}", operation.id);
        self.note(operation, &path, &answer);
        body
    }

    /// The same, for operations as they are usually asked.
    async fn all(&mut self, app: &App, ids: &[&str], (words, expected): (&Words, (u16, &str))) {
        for operation in operations(ids) {
            self.expect(operation, request(app, operation, words), expected).await;
        }
    }

    async fn successes(&mut self, app: &App) {
        let factor = app.enroll(json!({"type": "generic_otp"})).await;
        self.all(app, &["enroll", "challenge"], (&Words::of(&factor), (201, "none"))).await;
        for operation in operations(&["verifyChallenge"]) {
            let (challenge, code) = app.generic_challenge(&factor).await;
            let words = Words::guess(&challenge, &code);
            self.expect(operation, request(app, operation, &words), (201, "none")).await;
        }
        self.all(app, &["getFactor", "list"], (&Words::of(&factor), (200, "none"))).await;
        self.all(app, &["deleteFactor"], (&Words::of(&factor), (204, "none"))).await;
        let words = Words::unknown();
        self.all(app, &["createRecoveryCodes", "verifyRecoveryCode"], (&words, (201, "none"))).await;
        self.all(app, &["readRecoveryCodes"], (&words, (200, "none"))).await;
        self.all(app, &["deleteRecoveryCodes"], (&words, (204, "none"))).await;
    }

    /// What any request can be refused for.
    async fn refusals(&mut self, app: &App) {
        let keys =
            [app.api_key("local", Scope::Verify, None).await, app.api_key("local", Scope::Read, None).await];
        app.advance(1);
        for operation in operations(&[""]) {
            let (words, method) = (Words::unknown(), operation.method.clone());
            let bare = || app.request(method.clone(), &words.path(operation));
            self.expect(operation, bare(), (401, "unauthorized")).await;
            let key = if operation.id.contains("erify") || operation.id.contains("challenge") {
                &keys[1]
            } else {
                &keys[0]
            };
            self.expect(operation, bare().bearer_auth(key), (403, "forbidden")).await;
            if method == Method::POST {
                let with = |kind: &str, body: String| {
                    app.authorized(Method::POST, &words.path(operation))
                        .header("content-type", kind)
                        .body(body)
                };
                let large = format!("\"{}\"", "a".repeat(17_000));
                for (kind, body, expected) in [
                    ("application/json", "{".to_owned(), (400, "malformed_json")),
                    ("text/plain", "{}".to_owned(), (415, "unsupported_media_type")),
                    ("application/json", large, (413, "request_too_large")),
                ] {
                    self.expect(operation, with(kind, body), expected).await;
                }
            }
            if operation.path.contains('{') {
                let no_text = "%ff".to_owned();
                let words =
                    Words { factor: no_text.clone(), challenge: no_text.clone(), user: no_text, ..words };
                self.expect(operation, request(app, operation, &words), (404, "route_not_found")).await;
            }
        }
        let not_an_id = Words::of("enroll");
        self.all(app, &["getFactor", "deleteFactor"], (&not_an_id, (405, "method_not_allowed"))).await;
        let unknown = Words { user: "a%07".to_owned(), ..Words::unknown() };
        let ids = ["challengeFactor", "verify", "getFactor", "deleteFactor", "UserFactor", "RecoveryCode"];
        self.all(app, &ids, (&unknown, (404, "entity_not_found"))).await;
        self.unreadable_events(app).await;
    }

    /// A function cannot tell which operation an event that it cannot read was meant for.
    async fn unreadable_events(&mut self, app: &App) {
        let core = &app.local.core;
        let gateway = Gateway::new(core.clone(), factors::router(core.clone()));
        let answer = Answer::of_gateway(&serde_json::to_value(gateway.answer("{}").await.unwrap()).unwrap());
        assert_eq!(answer.expect(400)["code"], "malformed_request");
        for operation in operations(&[""]) {
            self.note(operation, &Words::unknown().path(operation), &answer);
        }
    }

    /// Fields that are missing or invalid.
    async fn invalid_fields(&mut self, app: &App) {
        let sms = app.enroll_sms().await;
        for operation in operations(&["enroll", "challengeFactor", "verify"]) {
            let post = |body| app.authorized(Method::POST, &Words::of(&sms).path(operation)).json(&body);
            let body = json!({"type": "other", "authentication_factor_id": sms, "sms_template": "no code"});
            self.expect(operation, post(body), (422, "invalid_request_parameters")).await;
        }
        let create = operations(&["createRecoveryCodes"])[0];
        let path = Words::unknown().path(create);
        let request = app.authorized(Method::POST, &path).json(&json!({"accept_on_challenges": 1}));
        self.expect(create, request, (422, "invalid_request_parameters")).await;
        for operation in operations(&["list"]) {
            let path = Words::unknown().path(operation);
            let query = if path.contains('?') { "&limit=0" } else { "?limit=0" };
            let request = app.authorized(Method::GET, &format!("{path}{query}"));
            self.expect(operation, request, (422, "invalid_request_parameters")).await;
        }
        let enroll = operations(&["enrollFactor"])[0];
        for (number, code) in
            [("foo", "invalid_phone_number"), ("+19002345678", "phone_number_not_supported")]
        {
            let body = json!({"type": "sms", "phone_number": number});
            let request = app.authorized(Method::POST, "/auth/factors/enroll").json(&body);
            self.expect(enroll, request, (422, code)).await;
        }
    }

    /// What SNS, and limits, refuse.
    async fn messages(&mut self, app: &App) {
        let sms = app.enroll_sms().await;
        app.challenge(&sms).await;
        self.all(app, &["challengeFactor"], (&Words::of(&sms), (422, "sms_send_limit_exceeded"))).await;
        for (refusal, code) in
            [("OptedOut", "phone_number_opted_out"), ("InvalidParameter", "invalid_phone_number")]
        {
            let outbox = refusing(StatusCode::BAD_REQUEST, refusal).await;
            for operation in operations(&["challengeFactor"]) {
                app.advance(3_600);
                let routes = assemble(app, &app.local.dynamodb_url, &outbox);
                let words = Words::of(&sms);
                let answer = ask(routes, request(app, operation, &words)).await;
                assert_eq!(answer.expect(422)["code"], code);
                self.note(operation, &words.path(operation), &answer);
            }
        }
        // A number of a country that was allowed when the factor was enrolled.
        let mut item = app.item(&sms).await;
        let (phone, country) = ("+12042345678", "CA");
        for (name, value) in &mut item {
            if let Ok(text) = value.as_s() {
                let moved = match (name.as_str(), text.as_str()) {
                    (_, "+15005550006") => phone,
                    (_, "US") => country,
                    _ => continue,
                };
                *value = aws_sdk_dynamodb::types::AttributeValue::S(moved.to_owned());
            }
        }
        app.put(item).await;
        self.all(app, &["challengeFactor"], (&Words::of(&sms), (422, "phone_number_not_supported"))).await;
    }

    /// Challenges that are over, and a factor that is locked.
    async fn guesses(&mut self, app: &App) {
        let factor = app.enroll(json!({"type": "generic_otp"})).await;
        let (challenge, code) = app.generic_challenge(&factor).await;
        app.verify(&challenge, &code).await.expect(201);
        let words = Words::guess(&challenge, &code);
        let previously_verified = (422, "authentication_challenge_previously_verified");
        self.all(app, &["verifyChallenge"], (&words, previously_verified)).await;
        let (challenge, code) = app.generic_challenge(&factor).await;
        app.advance(600);
        let words = Words::guess(&challenge, &code);
        self.all(app, &["verifyChallenge"], (&words, (422, "authentication_challenge_expired"))).await;
        let (challenge, code) = app.generic_challenge(&factor).await;
        for _ in 0..5 {
            assert!(!app.is_valid(&challenge, other_than(&code)).await);
        }
        let words = Words { factor, ..Words::guess(&challenge, &code) };
        app.recovery_codes(&words.user, json!({})).await;
        for _ in 0..5 {
            assert!(!app.recovers(&words.user, UNKNOWN_RECOVERY_CODE).await.0);
        }
        self.all(app, &["verify", "challengeFactor"], (&words, (400, "one_time_code_too_many_attempts")))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_answer_is_given_by_its_operation() {
    let mut given = Given { kinds: BTreeSet::new() };
    let app = App::start_with(&[("LATCHKEY_SMS_COUNTRIES", "US")]).await;
    given.successes(&app).await;
    given.refusals(&app).await;
    given.invalid_fields(&app).await;
    given.messages(&app).await;
    given.guesses(&app).await;

    let app = App::start_with_faults(Faults::none()).await;
    app.faults().plan(|_| Some(Fault::ServerError));
    given.all(&app, &[""], (&Words::unknown(), (503, "service_unavailable"))).await;

    let app = App::start().await;
    let mut damaged = app.item("environment/local").await;
    damaged.insert("keys".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S("junk".to_owned()));
    app.put(damaged).await;
    given.all(&app, &[""], (&Words::unknown(), (500, "internal_server_error"))).await;

    let documented = Contract::get().kinds();
    let missing: Vec<_> = documented.difference(&given.kinds).collect();
    assert!(missing.is_empty(), "documented and never given: {missing:#?}");
    assert_eq!(given.kinds, documented);
    assert!(documented.len() > 100, "{}", documented.len());
}

/// A path of no operation, and one of an operation with another method.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_document_is_404_or_405() {
    let app = App::start().await;
    for (method, path, status, code) in [
        (Method::GET, "/nothing", 404, "route_not_found"),
        (Method::POST, "/auth/nothing", 404, "route_not_found"),
        (Method::PUT, "/auth/factors/enroll", 405, "method_not_allowed"),
        (Method::PATCH, "/auth/factors/a", 405, "method_not_allowed"),
    ] {
        let answer = send(app.authorized(method.clone(), path)).await;
        assert_eq!(answer.expect(status)["code"], code);
        let kind = Contract::get().kind(&method, path, &answer).unwrap();
        assert_eq!(kind, Kind { operation: "none".to_owned(), status, code: code.to_owned() });
    }
}

impl Answer {
    /// The answer in a function's response to API Gateway.
    pub(crate) fn of_gateway(response: &Value) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in response["headers"].as_object().unwrap() {
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.as_str().unwrap().parse().unwrap());
        }
        let status = response["statusCode"].as_u64().unwrap().try_into().unwrap();
        Self { status, headers, text: response["body"].as_str().unwrap().to_owned() }
    }
}

/// Asserts that the document allows a function's response to an event.
pub(crate) fn event_is_allowed(event: &str, response: &Value) {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let (method, path) = (text("/requestContext/http/method"), text("/rawPath"));
    let method = method.and_then(|method| method.parse().ok());
    // It is unknown which operation an unreadable event was meant for: any.
    let (Some(method), Some(path), true) = (method, path, response["statusCode"] != 400) else { return };
    is_allowed(&method, path, &Answer::of_gateway(response));
}
