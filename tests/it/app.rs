//! A local server for one test, and the words the tests are written in.

use crate::canary::{Watch, remember, remember_all_in};
use crate::openapi::is_allowed;
use aws_sdk_dynamodb::types::AttributeValue;
use cli::serve::activity::{LogFormat, log_writer};
use cli::serve::faults::Faults;
use cli::serve::kms::KEY_ID;
use cli::serve::{self, Local, Options};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::aws;
use shared::config::Settings;
use shared::domain::api_key::ApiKey;
use shared::domain::environment::Tag;
use shared::domain::id::ApiKeyId;
use shared::domain::scope::Scope;
use shared::domain::time::Timestamp;
use shared::logs;
use shared::operate::ChangeOutcome;
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use shared::vault::kms::Kms;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use tests::client::{Client, code_in};
use tests::names::Names;

pub(crate) use tests::client::{Totp, http as client, other_than};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A running server and a client with its API key.
pub(crate) struct App {
    pub(crate) local: Local,
    pub(crate) client: Client,
    names: Mutex<Names>,
    _watch: Watch,
}

/// An answer, checked for what every answer has.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl App {
    /// A server that keeps nothing.
    pub(crate) async fn start() -> Self {
        Self::start_in(None).await
    }

    /// A server that keeps nothing and is configured by these variables.
    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        let value =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Self::start_configured(None, None, Settings::for_local(&value).unwrap()).await
    }

    /// Why no server starts in `data_dir`.
    pub(crate) async fn refusal_in(data_dir: &Path) -> String {
        let data_dir = Some(data_dir.to_owned());
        let options = Options { data_dir, ..Options::in_memory(Settings::for_local(&|_| None).unwrap()) };
        serve::start(options).await.err().expect("a refusal").to_string()
    }

    /// A server that keeps everything in `data_dir`.
    pub(crate) async fn start_in(data_dir: Option<PathBuf>) -> Self {
        Self::start_configured(data_dir, None, Settings::for_local(&|_| None).unwrap()).await
    }

    /// A server that keeps nothing, whose calls to its own table and outbox fail as `faults` says.
    pub(crate) async fn start_with_faults(faults: Faults) -> Self {
        Self::start_configured(None, Some(faults), Settings::for_local(&|_| None).unwrap()).await
    }

    async fn start_configured(data_dir: Option<PathBuf>, faults: Option<Faults>, settings: Settings) -> Self {
        Self::start_as(Options { data_dir, faults, ..Options::in_memory(settings) }).await
    }

    pub(crate) async fn start_as(options: Options) -> Self {
        capture_logs();
        let local = serve::start(options).await.unwrap();
        if local.data_dir.is_none() {
            // No other process asks what time it is: a test's seconds are the ones it names.
            local.clock.freeze();
        }
        let key = local.api_key.expose();
        remember(&local.url, "API key", key.as_bytes());
        let watch = Watch {
            url: local.url.clone(),
            dynamodb_url: local.dynamodb_url.clone(),
            outbox: local.outbox.clone(),
        };
        let (client, names) = (Client::new(&local.url, key), Mutex::new(Names::new(Some(local.clock.now()))));
        Self { local, client, names, _watch: watch }
    }

    /// Another tenant of the same server, by its API key.
    pub(crate) async fn other_environment(&self) -> String {
        self.api_key("other", Scope::Full, None).await
    }

    /// Another API key: of the environment with this tag, which is made if there is none.
    pub(crate) async fn api_key(&self, tag: &str, scope: Scope, expires_at: Option<Timestamp>) -> String {
        let (operator, tag) = (&self.local.operator, Tag::parse(tag).unwrap());
        let (now, mut rng) = (self.local.clock.now(), OsEntropy.rng().unwrap());
        let key = ApiKey::random(&tag, &mut rng);
        let environment = self.local.keyring.new_environment(tag.clone(), now, &mut rng).unwrap();
        operator.add_environment(&environment).await.unwrap();
        let entry = key.entry(ApiKeyId::new(now, &mut rng), scope, expires_at);
        assert_eq!(operator.add_api_key(&tag, &entry).await.unwrap(), ChangeOutcome::Done);
        remember(&self.local.url, "API key", key.expose().as_bytes());
        key.expose().to_owned()
    }

    /// Adds a data key to the keyring. New keys of environments are wrapped with it.
    pub(crate) async fn add_data_key(&self) {
        let kms = aws::kms(&aws::on_this_machine(&self.local.kms_url));
        let (kms, now) = (Kms::new(kms, KEY_ID.to_owned()), self.local.clock.now());
        self.local.operator.rotate(&kms, now, &mut OsEntropy.rng().unwrap()).await.unwrap();
        self.local.keyring.load().await.unwrap();
    }

    /// What fails, on a server that was started with faults.
    pub(crate) fn faults(&self) -> &Faults {
        self.local.faults.as_ref().expect("a server with faults")
    }

    /// A request without a key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, path)
    }

    /// A request with this environment's key.
    pub(crate) fn authorized(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.authorized(method, path)
    }

    /// Sends a request with another API key.
    pub(crate) async fn send_as(&self, key: &str, method: Method, path: &str, body: Value) -> Answer {
        send(self.request(method, path).bearer_auth(key).json(&body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value, status: u16) -> Value {
        self.ask(self.authorized(Method::POST, path).json(&body)).await.expect(status)
    }

    pub(crate) async fn get(&self, path: &str, status: u16) -> Value {
        self.ask(self.authorized(Method::GET, path)).await.expect(status)
    }

    pub(crate) async fn delete(&self, path: &str, status: u16) -> Value {
        self.ask(self.authorized(Method::DELETE, path)).await.expect(status)
    }

    /// Sends a request, and gives names to what its answer has.
    async fn ask(&self, request: RequestBuilder) -> Answer {
        let answer = send(request).await;
        self.names.lock().unwrap().learn(&answer.json());
        answer
    }

    pub(crate) async fn enroll(&self, body: Value) -> String {
        self.post("/auth/factors/enroll", body, 201).await["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn enroll_totp(&self) -> Totp {
        let body = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice@example.com"});
        Totp::of(&self.post("/auth/factors/enroll", body, 201).await)
    }

    pub(crate) async fn enroll_sms(&self) -> String {
        self.enroll_phone("+15005550006").await
    }

    pub(crate) async fn enroll_phone(&self, number: &str) -> String {
        self.enroll(json!({"type": "sms", "phone_number": number})).await
    }

    /// A new challenge of a factor: its id.
    pub(crate) async fn challenge(&self, factor: &str) -> String {
        let challenge = self.post(&format!("/auth/factors/{factor}/challenge"), json!({}), 201).await;
        challenge["id"].as_str().unwrap().to_owned()
    }

    /// A new TOTP factor and a challenge of it.
    pub(crate) async fn challenged(&self) -> (Totp, String) {
        let totp = self.enroll_totp().await;
        let challenge = self.challenge(&totp.id).await;
        (totp, challenge)
    }

    /// A new challenge of a generic factor: its id and its code.
    pub(crate) async fn generic_challenge(&self, factor: &str) -> (String, String) {
        let challenge = self.post(&format!("/auth/factors/{factor}/challenge"), json!({}), 201).await;
        (challenge["id"].as_str().unwrap().to_owned(), challenge["code"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn verify(&self, challenge: &str, code: &str) -> Answer {
        let path = format!("/auth/challenges/{challenge}/verify");
        self.ask(self.authorized(Method::POST, &path).json(&json!({ "code": code }))).await
    }

    /// The verdict on a code.
    pub(crate) async fn is_valid(&self, challenge: &str, code: &str) -> bool {
        self.verify(challenge, code).await.expect(201)["valid"].as_bool().unwrap()
    }

    /// The verdict on the factor's current code, in a new challenge.
    pub(crate) async fn logs_in(&self, totp: &Totp) -> bool {
        self.is_valid(&self.challenge(&totp.id).await, &self.code_of(totp, 0)).await
    }

    /// The `code` of the error a verify is refused with.
    pub(crate) async fn refusal(&self, challenge: &str, code: &str) -> (u16, String) {
        let answer = self.verify(challenge, code).await;
        (answer.status, answer.json()["code"].as_str().unwrap_or("none").to_owned())
    }

    /// The last message's text.
    pub(crate) fn last_message(&self) -> String {
        self.local.outbox.messages().unwrap().last().expect("a message").message.clone()
    }

    /// The six digits of the last message.
    pub(crate) fn last_code(&self) -> String {
        code_in(&self.last_message())
    }

    /// Moves the server's clock.
    pub(crate) fn advance(&self, seconds: i64) {
        self.local.clock.advance(seconds).unwrap();
    }

    /// The code an authenticator app shows, `steps` steps from now.
    pub(crate) fn code_of(&self, totp: &Totp, steps: i64) -> String {
        let code = totp.code(self.local.clock.now(), steps);
        remember(&self.local.url, "TOTP code", code.as_bytes());
        code
    }

    /// A code that no step near now has.
    pub(crate) fn wrong_code(&self, totp: &Totp) -> String {
        totp.wrong_code(self.local.clock.now())
    }

    /// Answers, one per line, with names for what is different in every run: `<factor 1>` is the first factor in an answer to
    /// this client. Times are counted from the server's start.
    pub(crate) fn named(&self, answers: &[&Value]) -> String {
        let mut names = self.names.lock().unwrap();
        answers.iter().map(|answer| names.shown(answer)).collect::<Vec<_>>().join("\n")
    }

    /// A client of the table, past the API.
    pub(crate) fn table(&self) -> aws_sdk_dynamodb::Client {
        aws::dynamodb(&aws::on_this_machine(&self.local.dynamodb_url))
    }

    /// Writes an item, past the API.
    pub(crate) async fn put(&self, item: Item) {
        self.table().put_item().table_name(serve::TABLE).set_item(Some(item)).send().await.unwrap();
    }

    /// The item whose partition key ends like this.
    pub(crate) async fn item(&self, pk_ends_with: &str) -> Item {
        let mut items = self.dump().await.into_iter();
        items.find(|item| item["pk"].as_s().unwrap().ends_with(pk_ends_with)).expect("an item")
    }

    /// Every item of the table.
    pub(crate) async fn dump(&self) -> Vec<Item> {
        self.table()
            .scan()
            .table_name(serve::TABLE)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .unwrap()
    }
}

impl Answer {
    /// The JSON body of an answer that must have this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    pub(crate) fn json(&self) -> Value {
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).unwrap() }
    }
}

/// Sends a request and checks what every answer has (contract §5 and §6, NET-09), and that docs/openapi.yaml allows it.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let answer = try_send(request).await.unwrap();
    let status = answer.status;
    assert_eq!(answer.headers["x-request-id"].len(), 36);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(answer.headers.contains_key("strict-transport-security"));
    assert!(!answer.headers.contains_key("server"));
    if status != 204 {
        assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
    }
    if status >= 400 {
        let body = answer.json();
        assert!(body["code"].as_str().is_some_and(|code| !code.is_empty()), "{body}");
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        assert!(body.get("error").is_none(), "{body}");
    }
    answer
}

/// As [`send`], if there is an answer at all.
pub(crate) async fn try_send(request: RequestBuilder) -> reqwest::Result<Answer> {
    let (client, request) = request.build_split();
    let request = request?;
    let (method, url) = (request.method().clone(), request.url().clone());
    let response = client.execute(request).await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let answer = Answer { status, headers, text: response.text().await? };
    if status < 400 && method != Method::HEAD {
        remember_all_in(&url.origin().ascii_serialization(), &answer.json());
    }
    is_allowed(&method, url.path(), &answer);
    Ok(answer)
}

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Everything any server of this test run has logged so far, at TRACE.
pub(crate) fn logged() -> String {
    String::from_utf8(LOGGED.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
}

fn capture_logs() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        tracing::subscriber::set_global_default(
            logs::subscriber("trace", log_writer(LogFormat::Json, || Capture)).unwrap(),
        )
        .unwrap();
    });
}

struct Capture;

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
