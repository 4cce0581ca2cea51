//! `latchkey doctor`: quiet about what is well, loud and useful about each thing that is not (SMS-11).

pub(crate) mod aws;

use super::{Desk, Ended, typed, words};
use aws::{Aws, Reply};
use cli::command::{self, FAULTS, OK};
use cli::deployment::Deployment;
use cli::serve::{self, TABLE};
use serde_json::{Value, json};
use shared::config::Settings;
use shared::domain::sms_budget::MicroUsd;

/// A deployment behind an account that can be broken.
struct Ward {
    desk: Desk,
    aws: Aws,
}

impl Ward {
    async fn new() -> Self {
        let desk = Desk::new();
        let app = desk.serve().await;
        let aws = Aws::start(&app.local.dynamodb_url, &app.local.kms_url).await;
        // The engine is served for as long as the test runs.
        Box::leak(Box::new(app));
        Self { desk, aws }
    }

    fn deployment(&self) -> Deployment {
        let settings = Settings::for_local(&|_| None).unwrap();
        let key = Some(serve::kms::KEY_ID.to_owned());
        let mut deployment = Deployment::with_sdk(
            &shared::aws::on_this_machine(&self.aws.url),
            TABLE.to_owned(),
            key,
            settings,
        );
        deployment.settings.policy.sms_daily_budget = MicroUsd(20_000_000);
        deployment
    }

    async fn examine(&self, deployment: Deployment, options: &str) -> Ended {
        typed("", async |console| {
            command::run_on(words(&format!("doctor {options}")), &deployment, console).await
        })
        .await
    }

    /// Asserts that each of these replies is one fault.
    async fn each_is_one_fault<const N: usize>(&self, cases: [(&str, Reply, &str); N]) {
        for (operation, reply, expected) in cases {
            self.aws.answer(operation, reply);
            assert_eq!(self.faults().await, [expected]);
            self.aws.heal();
        }
    }

    /// The faults, as `check: found`, each with its remedy.
    async fn faults(&self) -> Vec<String> {
        self.faults_of(self.deployment()).await
    }

    async fn faults_of(&self, deployment: Deployment) -> Vec<String> {
        let ended = self.examine(deployment, "--json").await;
        let findings: Value = serde_json::from_str(&ended.out).unwrap();
        let faults: Vec<String> = findings
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["state"] == "fault")
            .map(|finding| {
                assert!(finding["remedy"].as_str().is_some_and(|remedy| remedy.len() > 5), "{finding}");
                format!("{}: {}", finding["check"].as_str().unwrap(), finding["found"].as_str().unwrap())
            })
            .collect();
        assert_eq!(ended.code, if faults.is_empty() { OK } else { FAULTS });
        faults
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_deployment_has_no_faults() {
    let desk = Desk::new();
    desk.done("init").await;
    insta::assert_snapshot!(desk.done("doctor").await, @r"
    CHECK  FOUND
    ok  table  latchkey is active
    ok  layout  the key and the index are correct
    ok  TTL  expired items are deleted
    ok  backups  copy the data directory while no process uses it
    ok  KMS key  enabled
    ok  keyring  all entries can be unwrapped (1)
    ok  environment production  live API keys: 1
    ok  messages  sent to the outbox: GET /_dev/sms of `latchkey serve`
    ");
    let ward = Ward::new().await;
    assert_eq!(ward.faults().await, [""; 0]);
    let ended = ward.examine(ward.deployment(), "").await;
    assert_eq!(ended.code, OK);
    insta::assert_snapshot!(super::masked(&ended.out, &ward.desk.dir()), @r"
    CHECK  FOUND
    ok  table  latchkey is active
    ok  layout  the key and the index are correct
    ok  TTL  expired items are deleted
    ok  backups  point-in-time recovery is on
    ok  deletion  deletion protection is on
    ok  capacity  on demand
    ok  KMS key  enabled
    ok  keyring  all entries can be unwrapped (1)
    ok  environment local  live API keys: 1
    ok  SMS sandbox  the account is not in the sandbox
    ok  spending  $600 per month; the daily budget is $20
    ok  message type  Transactional
    ok  delivery log  deliveries are logged to CloudWatch
    ok  origination  origination numbers: 1; sender ID: none
    ok  opt-outs  no number has opted out
    hint  protection  the SNS API does not show whether the account's default Protect configuration blocks or filters countries

    protection: check the Protect configurations in AWS End User Messaging SMS in the console: the account's default also applies to SNS
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_table_is_named() {
    let ward = Ward::new().await;
    ward.each_is_one_fault([
        ("DescribeTable", Reply::Refuse("ResourceNotFoundException"), "table: there is no table latchkey"),
        (
            "DescribeTable",
            Reply::Refuse("AccessDeniedException"),
            "table: cannot be checked: DynamoDB could not describe the table: AccessDeniedException. The credentials lack a permission: add it, or use other credentials with --profile",
        ),
        (
            "DescribeTable",
            Reply::set("/Table/KeySchema/1/AttributeName", json!("range")),
            "layout: its key is pk HASH, range RANGE, expected pk HASH, sk RANGE",
        ),
        (
            "DescribeTable",
            Reply::set("/Table/GlobalSecondaryIndexes/0/IndexName", json!("by_owner")),
            "layout: the key of its index by_user is nothing, expected owner HASH, id RANGE; the projection of its index by_user is nothing, expected account, country, created_at, environment, issuer, name, phone, type, user",
        ),
        (
            "DescribeTable",
            Reply::set("/Table/DeletionProtectionEnabled", json!(false)),
            "deletion: deletion protection is off",
        ),
        (
            "DescribeTimeToLive",
            Reply::set("/TimeToLiveDescription", json!({"TimeToLiveStatus": "DISABLED"})),
            "TTL: off: expired challenges and budgets are never deleted",
        ),
        (
            "DescribeTimeToLive",
            Reply::set("/TimeToLiveDescription/AttributeName", json!("expires_at")),
            "TTL: set to `expires_at` instead of `ttl`",
        ),
        (
            "DescribeContinuousBackups",
            aws::backups("DISABLED"),
            "backups: point-in-time recovery is off: a lost table cannot be restored",
        ),
        (
            "DescribeContinuousBackups",
            Reply::Refuse("AccessDeniedException"),
            "backups: cannot be checked: DynamoDB could not describe the table's backups: AccessDeniedException. The credentials lack a permission: add it, or use other credentials with --profile",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_keys_is_named() {
    let ward = Ward::new().await;
    let state = |state: &str| Reply::set("/KeyMetadata/KeyState", json!(state));
    ward.aws.answer("DescribeKey", state("Disabled"));
    assert_eq!(ward.faults().await, ["KMS key: Disabled: functions that start now cannot open any secret"]);
    ward.aws.answer("DescribeKey", state("PendingDeletion"));
    ward.aws.answer("Decrypt", Reply::Refuse("KMSInvalidStateException"));
    let faults = ward.faults().await;
    insta::assert_snapshot!(super::masked(&faults.join("\n"), &ward.desk.dir()), @"
    KMS key: PendingDeletion: functions that start now cannot open any secret
    keyring, data_key_…: cannot be checked: KMS could not unwrap a data key: KMSInvalidStateException. The key is disabled or pending deletion: use `aws kms cancel-key-deletion` and `aws kms enable-key`
    ");
    ward.aws.heal();
    ward.aws.answer("DescribeKey", Reply::Refuse("NotFoundException"));
    assert!(ward.faults().await[0].contains("There is no such key: check --kms-key-id and --region"));
    ward.aws.heal();
    let settings = Settings::for_local(&|_| None).unwrap();
    let keyless =
        Deployment::with_sdk(&shared::aws::on_this_machine(&ward.aws.url), TABLE.to_owned(), None, settings);
    assert!(ward.faults_of(keyless).await[0].starts_with("KMS key: no KMS key is configured"));

    // Environments lose their API keys one after the other.
    ward.desk.done("env create staging").await;
    assert_eq!(ward.faults().await, ["environment staging: no live API key: every request is refused"]);
    let key = ward.desk.json("keys create --environment staging --scope verify --expires-in 13d").await;
    let fault = format!(
        "environment staging: {} (verify) expires at {}",
        key["id"].as_str().unwrap(),
        key["expires_at"].as_str().unwrap()
    );
    assert_eq!(ward.faults().await, [fault]);
    ward.desk.done("keys create --environment staging --scope verify").await;
    assert_eq!(ward.faults().await, [""; 0], "another one stays");

    let empty = json!({"Items": [], "Count": 0, "ScannedCount": 0});
    ward.aws.answer("Query", Reply::Answer(empty));
    assert_eq!(
        ward.faults().await,
        [
            "keyring: empty: nothing can be sealed",
            "environments: there is no environment: every request is refused"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_and_an_old_keyring_are_seen() {
    let desk = Desk::new();
    let app = desk.serve().await;
    desk.done("env create staging").await;
    desk.done("keys create --environment staging --expires-in 400d").await;
    app.advance(366 * 24 * 3_600);
    let said = desk.done("doctor").await;
    assert!(said.contains("hint  keyring age") && said.contains("latchkey keyring rotate"), "{said}");
    app.advance(35 * 24 * 3_600);
    let ended = desk.ended(FAULTS, "doctor").await;
    ended.out_has("no live API key");
    ended.out_has("latchkey keys create --environment staging");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sms_11_each_fault_of_the_messages_is_named() {
    let ward = Ward::new().await;
    let xml = |action: &str, result: &str| Reply::Xml(aws::xml(action, result));
    let limit = |dollars: &str| {
        xml(
            "GetSMSAttributes",
            &format!(
                "<attributes><entry><key>MonthlySpendLimit</key><value>{dollars}</value></entry></attributes>"
            ),
        )
    };
    ward.each_is_one_fault([
        (
            "GetSMSSandboxAccountStatus",
            xml("GetSMSSandboxAccountStatus", "<IsInSandbox>true</IsInSandbox>"),
            "SMS sandbox: the account is in the sandbox: only verified numbers receive messages",
        ),
        ("GetSMSAttributes", limit("1"), "spending: SNS stops at $1 per month, the limit of a new account"),
        (
            "GetSMSAttributes",
            xml("GetSMSAttributes", "<attributes/>"),
            "spending: SNS stops at $1 per month, the limit of a new account",
        ),
        (
            "GetSMSAttributes",
            limit("15"),
            "spending: SNS stops at $15 per month, which is less than the daily budget of $20",
        ),
        (
            "ListOriginationNumbers",
            xml("ListOriginationNumbers", "<PhoneNumbers/>"),
            "origination: no origination number: US carriers reject messages without one",
        ),
        (
            "GetSMSAttributes",
            Reply::Refuse("AuthorizationError"),
            "spending: cannot be checked: SNS returned AuthorizationError. The credentials lack a permission: add it, or use other credentials with --profile",
        ),
        (
            "ListPhoneNumbersOptedOut",
            Reply::Refuse("AuthorizationError"),
            "opt-outs: cannot be checked: SNS returned AuthorizationError. The credentials lack a permission: add it, or use other credentials with --profile",
        ),
    ])
    .await;
    ward.aws.answer(
        "ListPhoneNumbersOptedOut",
        xml(
            "ListPhoneNumbersOptedOut",
            "<phoneNumbers><member>+12025550123</member><member>+12025550124</member></phoneNumbers>",
        ),
    );
    let ended = ward.examine(ward.deployment(), "").await;
    assert_eq!(ended.code, OK);
    ended.out_has("numbers that have opted out: 2");
    ended.out_has("Protect configuration");
    assert!(!ended.out.contains("555"), "{}", ended.out);

    let mut silent = ward.deployment();
    silent.settings.policy.sms_countries = shared::domain::policy::Countries::Only([].into());
    ward.aws.answer(
        "GetSMSSandboxAccountStatus",
        xml("GetSMSSandboxAccountStatus", "<IsInSandbox>true</IsInSandbox>"),
    );
    assert_eq!(ward.faults_of(silent).await, [""; 0], "a deployment without messages needs nothing of SNS");
}
