//! The command line and the functions' code on AWS as moto plays it: a real KMS key, and a table that was made by `init`.
//!
//! `tests/services/run` starts the server and names its address in `LATCHKEY_TEST_MOTO`.

use crate::app::{Answer, Item, Totp, send};
use crate::cli::doctor::aws::{Aws, Reply};
use crate::cli::{Ended, typed, words};
use cli::command::{self, FAILED, FAULTS, OK};
use cli::console::Console;
use cli::deployment::Deployment;
use reqwest::Method;
use serde_json::{Value, json};
use shared::aws::on_this_machine;
use shared::config::Settings;
use shared::core::Core;
use shared::domain::policy::Countries;
use shared::domain::time::Timestamp;
use shared::ports::{Clock, OsEntropy, SystemClock};
use shared::store::Store;
use shared::vault::keyring::Keyring;
use shared::vault::kms::Kms;
use shared::{aws, http};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tests::client::Client;
use tokio::net::TcpListener;

/// The machine's clock, moved: KMS and DynamoDB have times of their own.
#[derive(Clone, Default)]
struct Moved(Arc<AtomicI64>);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().millis() + self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A deployment of its own in moto: a table's name and a key.
struct Account {
    url: String,
    table: String,
    key: String,
    api_key: String,
    clock: Moved,
}

/// A function's code, with clients of its own.
struct Function {
    client: Client,
    keyring: Keyring,
}

impl Account {
    #[expect(clippy::disallowed_methods, reason = "the script that starts the server says where it is")]
    async fn new() -> Self {
        let url = std::env::var("LATCHKEY_TEST_MOTO").expect("LATCHKEY_TEST_MOTO: run tests/services/run");
        let made = aws::kms(&on_this_machine(&url)).create_key().send().await.unwrap();
        let key = made.key_metadata.unwrap().key_id;
        let table = format!("latchkey-{key}");
        let mut account = Self { url, table, key, api_key: String::new(), clock: Moved::default() };
        let made = account.json("init").await;
        assert_eq!([&made["table_made"], &made["data_key_made"]], [true, true]);
        made["api_key"]["key"].as_str().unwrap().clone_into(&mut account.api_key);
        account
    }

    fn kms(&self) -> aws_sdk_kms::Client {
        aws::kms(&on_this_machine(&self.url))
    }

    fn advance(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// A command that ends with this exit code.
    async fn ended(&self, code: u8, line: &str) -> Ended {
        let mut settings = Settings::for_local(&|_| None).unwrap();
        settings.policy.sms_countries = Countries::Only([].into());
        let key = Some(self.key.clone());
        let mut deployment =
            Deployment::with_sdk(&on_this_machine(&self.url), self.table.clone(), key, settings);
        deployment.clock = Arc::new(self.clock.clone());
        let run = async |console: &mut Console| command::run_on(words(line), &deployment, console).await;
        let ended = typed("", run).await;
        assert_eq!(ended.code, code, "{}{}", ended.err, ended.out);
        ended
    }

    async fn json(&self, line: &str) -> Value {
        let ended = self.ended(OK, &format!("{line} --json")).await;
        serde_json::from_str(&ended.out).unwrap()
    }

    /// A function that reaches KMS there, and has not asked it for anything yet.
    async fn cold_function(&self, kms_url: &str) -> Function {
        let store = Store::new(aws::dynamodb(&on_this_machine(&self.url)), self.table.clone());
        let keyring =
            Keyring::new(Kms::new(aws::kms(&on_this_machine(kms_url)), self.key.clone()), store.clone());
        let policy = Settings::for_local(&|_| None).unwrap().policy;
        let core = Core::new(store, policy, Arc::new(self.clock.clone()), Arc::new(OsEntropy));
        // Generic and TOTP challenges send nothing.
        let sms = shared::sms::Sms::new(
            aws::sns(&on_this_machine(&self.url)),
            Settings::for_local(&|_| None).unwrap().sms,
        );
        let routes = http::all_routes(&core, &keyring, sms);
        let app = http::app(core.clone(), routes);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Function { client: Client::new(&url, &self.api_key), keyring }
    }

    async fn warm_function(&self) -> Function {
        let function = self.cold_function(&self.url).await;
        function.keyring.load().await.unwrap();
        function
    }

    fn code(&self, totp: &Totp) -> String {
        totp.code(self.clock.now(), 0)
    }

    async fn items(&self) -> Vec<Item> {
        let items =
            aws::dynamodb(&on_this_machine(&self.url)).scan().table_name(&self.table).consistent_read(true);
        items.send().await.unwrap().items.unwrap()
    }

    async fn item(&self, totp: &Totp) -> Item {
        self.items().await.into_iter().find(|item| item["pk"].as_s().unwrap().ends_with(&totp.id)).unwrap()
    }
}

impl Function {
    async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.client.authorized(Method::POST, path).json(&body)).await
    }

    async fn enroll(&self) -> Totp {
        let body = json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "alice"});
        Totp::of(&self.post("/auth/factors/enroll", body).await.expect(201))
    }

    async fn challenge(&self, totp: &Totp) -> String {
        let path = format!("/auth/factors/{}/challenge", totp.id);
        self.post(&path, json!({})).await.expect(201)["id"].as_str().unwrap().to_owned()
    }

    async fn verify(&self, challenge: &str, code: &str) -> Answer {
        self.post(&format!("/auth/challenges/{challenge}/verify"), json!({"code": code})).await
    }

    async fn logs_in(&self, totp: &Totp, account: &Account) -> bool {
        let challenge = self.challenge(totp).await;
        self.verify(&challenge, &account.code(totp)).await.expect(201)["valid"] == json!(true)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a moto server: tests/services/run"]
async fn sec_07_keys_wrapped_by_kms_rotate_under_a_warm_function() {
    let account = Account::new().await;
    let again = account.json("init").await;
    assert_eq!(
        (&again["table_made"], &again["data_key_made"], &again["api_key"]),
        (&json!(false), &json!(false), &json!(null))
    );
    let function = account.warm_function().await;
    let (old, early) = (function.enroll().await, function.enroll().await);
    account.advance(120);
    account.json("keyring rotate").await;
    account.ended(FAILED, "keyring rewrap").await.err_has("the newest keys are used for sealing from");
    account.advance(120);
    let new = function.enroll().await;
    let sealed_with = |item: &Item| item["key"].as_s().unwrap().clone();
    let (old_key, new_key) = (sealed_with(&account.item(&old).await), sealed_with(&account.item(&new).await));
    assert_ne!(old_key, new_key);
    assert!(function.logs_in(&new, &account).await && function.logs_in(&early, &account).await);
    let moved = account.json("keyring rewrap").await;
    assert_eq!((&moved["secrets"], &moved["removed"]), (&json!(2), &json!([])));
    assert_eq!(sealed_with(&account.item(&old).await), new_key);
    assert!(function.logs_in(&old, &account).await);
    account.advance(3_600);
    let retired = account.json("keyring rewrap").await;
    assert_eq!(retired["removed"].as_array().unwrap().len(), 2, "the environment's key and the entry");
    for function in [&function, &account.warm_function().await] {
        account.advance(60);
        assert!(function.logs_in(&old, &account).await && function.logs_in(&new, &account).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a moto server: tests/services/run"]
async fn sec_11_flt_07_without_kms_a_cold_function_spends_nothing_and_a_warm_one_goes_on() {
    let account = Account::new().await;
    let proxy = Aws::start(&account.url, &account.url).await;
    let warm = account.cold_function(&proxy.url).await;
    warm.keyring.load().await.unwrap();
    let totp = warm.enroll().await;
    let challenge = warm.challenge(&totp).await;
    let before = account.item(&totp).await;

    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    proxy.answer("Decrypt", Reply::Refuse("KMSInternalException"));
    for kms in [format!("http://{closed}"), proxy.url.clone()] {
        let cold = account.cold_function(&kms).await;
        assert!(cold.keyring.load().await.is_err());
        for code in [account.code(&totp), "000000".to_owned()] {
            let answer = cold.verify(&challenge, &code).await;
            assert_eq!(answer.expect(503)["code"], "service_unavailable");
            assert_eq!(answer.headers["retry-after"], "1");
        }
    }
    assert_eq!(account.item(&totp).await, before, "no attempt was charged");
    assert!(warm.verify(&challenge, &account.code(&totp)).await.expect(201)["valid"] == json!(true));

    // A function that started without KMS takes the key when it can.
    let cold = account.cold_function(&proxy.url).await;
    let challenge = warm.challenge(&totp).await;
    account.advance(30);
    cold.verify(&challenge, &account.code(&totp)).await.expect(503);
    proxy.heal();
    let answer = cold.verify(&challenge, &account.code(&totp)).await;
    assert_eq!(answer.expect(201)["valid"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a moto server: tests/services/run"]
async fn the_doctor_finds_what_was_broken() {
    let account = Account::new().await;
    account.ended(OK, "doctor").await;
    let (dynamodb, table) = (aws::dynamodb(&on_this_machine(&account.url)), &account.table);
    dynamodb.update_table().table_name(table).deletion_protection_enabled(false).send().await.unwrap();
    account.kms().disable_key().key_id(&account.key).send().await.unwrap();
    let found = account.ended(FAULTS, "doctor").await;
    // moto unwraps with a disabled key; KMS does not.
    for fault in ["FAULT  deletion", "FAULT  KMS  key"] {
        let text: String = found.out.split_whitespace().collect::<Vec<_>>().join("  ");
        assert!(text.contains(fault), "{fault}: {}", found.out);
    }
    let nowhere = Account { table: "nothing".to_owned(), ..account };
    nowhere.ended(FAULTS, "doctor").await.out_has("there is no table nothing");
    let listed = nowhere.ended(FAILED, "env list").await;
    listed.err_has("check --table and --region, or create it with `latchkey init`");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a moto server: tests/services/run"]
async fn an_environment_is_deleted_from_a_table_of_aws() {
    let account = Account::new().await;
    let function = account.warm_function().await;
    let totp = function.enroll().await;
    function.challenge(&totp).await;
    account.ended(FAILED, "env delete production --yes").await;
    account.advance(120);
    account.ended(OK, "env delete production --yes").await;
    let left = account.items().await;
    assert_eq!(left.len(), 1, "the keyring: {left:?}");
}
