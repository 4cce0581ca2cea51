//! All routes over a [`Table`] in this process, with something of each kind in it.

use super::table::{self, Fate, Table};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use shared::config::Settings;
use shared::core::Core;
use shared::domain::api_key::ApiKey;
use shared::domain::environment::Tag;
use shared::domain::id::ApiKeyId;
use shared::domain::scope::Scope;
use shared::domain::time::Timestamp;
use shared::operate::Operator;
use shared::ports::{Clock, Entropy, NoEntropy};
use shared::sms::Sms;
use shared::vault::keyring::Keyring;
use shared::vault::kms::Kms;
use shared::{aws, http as routes};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

/// All routes, the table under them, and what is in it.
pub struct Server {
    /// The table.
    pub table: Table,
    /// The time, which stands still unless it is moved.
    pub clock: Stopped,
    /// An API key of the one environment.
    pub key: String,
    /// The id of a factor that is texted.
    pub sms: String,
    /// A TOTP factor, as its enrollment returned it.
    pub totp: Value,
    /// The id of a challenge of the TOTP factor.
    pub challenge: String,
    routes: Router,
    runtime: Runtime,
    sent: Arc<AtomicUsize>,
}

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Server {
    /// A server that has written all it will: from now on its table refuses every write.
    #[must_use]
    pub fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let (table, clock, sent) = (Table::default(), Stopped::default(), Arc::new(AtomicUsize::new(0)));
        let mut rng = StdRng::from_seed([1; 32]);
        let operator = Operator::new(aws::dynamodb(&table.sdk()), "latchkey".to_owned());
        let kms =
            table::sdk(|_, _| (200, json!({"Plaintext": "A".repeat(43) + "=", "CiphertextBlob": "AAAA"})));
        let kms = Kms::new(aws::kms(&kms), "alias/fuzz".to_owned());
        runtime.block_on(operator.rotate(&kms, clock.now(), &mut rng)).unwrap();
        let keyring = Keyring::new(kms, operator.store.clone());
        runtime.block_on(keyring.load()).unwrap();
        let mut environment =
            keyring.new_environment(Tag::parse("fuzz").unwrap(), clock.now(), &mut rng).unwrap();
        let key = ApiKey::random(&environment.environment.tag, &mut rng);
        environment.api_keys.push(key.entry(ApiKeyId::new(clock.now(), &mut rng), Scope::Full, None));
        runtime.block_on(operator.add_environment(&environment)).unwrap();

        let settings = Settings::from_env_for_local().unwrap();
        let entropy = Arc::new(Seeded::default());
        let core = Core::new(operator.store, settings.policy, Arc::new(clock.clone()), entropy);
        let counter = Arc::clone(&sent);
        let sns = table::sdk(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            (500, Value::Null)
        });
        let all = routes::all_routes(&core, &keyring, Sms::new(aws::sns(&sns), settings.sms));
        let mut server = Self {
            table,
            clock,
            key: key.expose().to_owned(),
            sms: String::new(),
            totp: Value::Null,
            challenge: String::new(),
            routes: routes::app(core, all),
            runtime,
            sent,
        };
        server.fill();
        server.table.writes(|_| Fate::Refused);
        server
    }

    fn fill(&mut self) {
        let enroll = "/auth/factors/enroll";
        let id = |answer: &Value| answer["id"].as_str().unwrap().to_owned();
        self.sms = id(&self.post(enroll, &json!({"type": "sms", "phone_number": "+15005550006"})).json());
        let totp = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice"});
        self.totp = self.post(enroll, &totp).json();
        let path = format!("/auth/factors/{}/challenge", id(&self.totp));
        self.challenge = id(&self.post(&path, &json!({})).json());
    }

    /// `text` with what there is for `SMS_ID`, `TOTP_ID`, `CHALLENGE_ID` and `API_KEY`.
    #[must_use]
    pub fn fill_in(&self, text: &str) -> String {
        text.replace("SMS_ID", &self.sms)
            .replace("TOTP_ID", self.totp["id"].as_str().unwrap_or_default())
            .replace("CHALLENGE_ID", &self.challenge)
            .replace("API_KEY", &self.key)
    }

    /// Asks with the key and a JSON body.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap())
    }

    /// Asks with the key and no body; `None` if there is no such request.
    #[must_use]
    pub fn ask_with_key(&self, method: Method, target: &str) -> Option<Answer> {
        let request = Request::builder().method(method).uri(target);
        let request = request.header(AUTHORIZATION, format!("Bearer {}", self.key)).body(Body::empty());
        request.ok().map(|request| self.ask(request))
    }

    /// Asks, and checks what holds whatever was asked: no panic, no 5xx but 503, the contract's shape of an error, and
    /// no message sent.
    #[must_use]
    pub fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.runtime.block_on(async {
            let response = self.routes.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            Answer { status: parts.status, headers: parts.headers, body }
        });
        answer.check();
        assert_eq!(self.sent.load(Ordering::Relaxed), 0, "a message was sent");
        answer
    }
}

impl Answer {
    /// Its body.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What holds for every answer (contract §5 and §6).
    fn check(&self) {
        let (status, text) = (self.status.as_u16(), String::from_utf8_lossy(&self.body));
        let known = [200, 201, 204, 400, 401, 404, 405, 413, 415, 422, 503];
        assert!(known.contains(&status), "{status} {text}");
        assert_eq!(self.headers["x-request-id"].len(), 36);
        assert_eq!(self.headers["cache-control"], "no-store");
        let retry = self.headers.get("retry-after").map(|value| value == "1");
        assert_eq!(retry, (status == 503).then_some(true));
        if status < 400 {
            return;
        }
        assert_eq!(self.headers["content-type"], "application/json; charset=utf-8");
        let body = self.json();
        let fields = body.as_object().unwrap();
        let says = |name: &str| fields[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(says("code") && says("message"), "{text}");
        let known = ["code", "message", "errors", "entity_id", "retry_at"];
        assert!(fields.keys().all(|name| known.contains(&name.as_str())), "{text}");
        let errors = fields.get("errors").map(|errors| errors.as_array().unwrap().as_slice());
        for error in errors.unwrap_or_default() {
            assert!(error["field"].is_string() && error["code"].is_string(), "{text}");
        }
    }
}

/// A clock that is moved by hand.
#[derive(Clone)]
pub struct Stopped(Arc<AtomicI64>);

impl Stopped {
    /// Moves it.
    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Default for Stopped {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000_000)))
    }
}

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Randomness that is the same in every run, and another for every request.
#[derive(Default)]
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn rng(&self) -> Result<StdRng, NoEntropy> {
        Ok(StdRng::seed_from_u64(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}
