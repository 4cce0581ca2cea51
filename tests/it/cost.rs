//! What each operation costs: calls and capacity units of DynamoDB, exactly (docs/PERFORMANCE.md), and bytes of logs.

use crate::app::{App, Totp, logged};
use crate::architecture::root;
use crate::audit::bare;
use crate::faults::{ask, assemble_with};
use crate::recovery;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity::Total;
use axum::Router;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use shared::domain::sms_text::SmsTemplate;
use shared::http::{challenge, verify};
use shared::lambda::Gateway;
use shared::sms::{Sms, SmsConfig};
use std::fs;
use std::sync::{Arc, Mutex};
use tests::events::filled;

/// The calls since it was last cleared: their names, and the capacity units that the engine says they consumed; `None` for a
/// write whose condition did not hold.
#[derive(Debug, Clone, Default)]
struct Meter(Arc<Mutex<Vec<Metered>>>);

type Metered = (&'static str, Option<f64>);

macro_rules! metered {
    ($($name:literal: $input:ty => $output:ty;)*) => {
        impl Intercept for Meter {
            fn name(&self) -> &'static str {
                "meter"
            }

            fn modify_before_serialization(
                &self,
                context: &mut BeforeSerializationInterceptorContextMut<'_>,
                _: &RuntimeComponents,
                _: &mut ConfigBag,
            ) -> Result<(), BoxError> {
                $(if let Some(input) = context.input_mut().downcast_mut::<$input>() {
                    input.return_consumed_capacity = Some(Total);
                    self.0.lock().unwrap().push(($name, None));
                })*
                Ok(())
            }

            fn read_after_execution(
                &self,
                context: &FinalizerInterceptorContextRef<'_>,
                _: &RuntimeComponents,
                _: &mut ConfigBag,
            ) -> Result<(), BoxError> {
                let Some(Ok(output)) = context.output_or_error() else { return Ok(()) };
                $(if let Some(output) = output.downcast_ref::<$output>() {
                    let consumed = output.consumed_capacity().and_then(|capacity| capacity.capacity_units());
                    self.0.lock().unwrap().last_mut().unwrap().1 = consumed;
                })*
                Ok(())
            }
        }
    };
}

metered! {
    "GetItem": GetItemInput => GetItemOutput;
    "PutItem": PutItemInput => PutItemOutput;
    "UpdateItem": UpdateItemInput => UpdateItemOutput;
    "DeleteItem": DeleteItemInput => DeleteItemOutput;
    "Query": QueryInput => QueryOutput;
}

struct Costs {
    app: App,
    routes: Router,
    meter: Meter,
}

impl Costs {
    async fn start() -> Self {
        let app = App::start().await;
        let meter = Meter::default();
        let sdk = shared::aws::on_this_machine(&app.local.dynamodb_url);
        let metered = aws_sdk_dynamodb::config::Builder::from(&sdk).interceptor(meter.clone()).build();
        let routes = assemble_with(&app, aws_sdk_dynamodb::Client::from_conf(metered), &app.local.sns_url);
        let costs = Self { app, routes, meter };
        // The environment is cached from here on.
        costs.of(costs.app.authorized(Method::GET, "/auth/factors?user_id=u"), 200).await;
        costs
    }

    /// The calls a request makes, with their units.
    async fn of(&self, request: RequestBuilder, status: u16) -> String {
        self.meter.0.lock().unwrap().clear();
        ask(self.routes.clone(), request).await.expect(status);
        let calls = self.meter.0.lock().unwrap();
        let calls = calls.iter().map(|(name, units)| match units {
            Some(units) => format!("{name} {units}"),
            None => format!("{name} refused"),
        });
        calls.collect::<Vec<_>>().join(", ")
    }

    async fn verify(&self, challenge: &str, code: &str) -> String {
        let path = format!("/auth/challenges/{challenge}/verify");
        self.of(self.app.authorized(Method::POST, &path).json(&json!({ "code": code })), 201).await
    }

    async fn challenge(&self, totp: &Totp) -> String {
        let path = format!("/auth/factors/{}/challenge", totp.id);
        self.of(self.app.authorized(Method::POST, &path).json(&json!({})), 201).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_costs_two_reads_and_two_writes_right_or_wrong() {
    let costs = Costs::start().await;
    let app = &costs.app;
    let totp = app.enroll_totp().await;
    assert_eq!(costs.challenge(&totp).await, "GetItem 1, PutItem 1");

    let challenge = app.challenge(&totp.id).await;
    let wrong = app.wrong_code(&totp);
    assert_eq!(costs.verify(&challenge, &wrong).await, "GetItem 1, UpdateItem 1");
    let challenge = app.challenge(&totp.id).await;
    let right = app.code_of(&totp, 0);
    assert_eq!(costs.verify(&challenge, &right).await, "GetItem 1, UpdateItem 1");
}

/// The challenge carries what the first attempt needs. A later one finds the factor in the refusal of its write.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_on_a_challenge_costs_one_refused_write_more() {
    let costs = Costs::start().await;
    let totp = costs.app.enroll_totp().await;
    let challenge = costs.app.challenge(&totp.id).await;
    assert!(!costs.app.is_valid(&challenge, &costs.app.wrong_code(&totp)).await);
    let right = costs.app.code_of(&totp, 0);
    assert_eq!(costs.verify(&challenge, &right).await, "GetItem 1, UpdateItem refused, UpdateItem 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolling_costs_one_write_and_its_entry_in_the_index_and_reading_half_a_unit_or_one() {
    let costs = Costs::start().await;
    let app = &costs.app;
    let enroll = |body| app.authorized(Method::POST, "/auth/factors/enroll").json(&body);
    let body = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alan@example.com"});
    assert_eq!(costs.of(enroll(body.clone()), 201).await, "PutItem 1");
    let mut of_user = body;
    of_user["user_id"] = json!("u");
    assert_eq!(costs.of(enroll(of_user), 201).await, "PutItem 2", "the table and the index");
    assert_eq!(costs.of(app.authorized(Method::GET, "/auth/factors?user_id=u"), 200).await, "Query 0.5");

    let totp = app.enroll_totp().await;
    let path = format!("/auth/factors/{}", totp.id);
    assert_eq!(costs.of(app.authorized(Method::GET, &path), 200).await, "GetItem 1");
    assert_eq!(costs.of(app.authorized(Method::DELETE, &path), 204).await, "GetItem 1, DeleteItem 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_costs_a_read_and_a_write_and_at_a_challenge_two_reads_more() {
    let costs = Costs::start().await;
    let app = &costs.app;
    let codes = recovery::path("u");
    let create = || app.authorized(Method::POST, &codes).json(&json!({"accept_on_challenges": true}));
    assert_eq!(costs.of(create(), 201).await, "PutItem 1");
    assert_eq!(costs.of(create(), 201).await, "PutItem refused, PutItem 1", "in place of the earlier ones");
    assert_eq!(costs.of(app.authorized(Method::GET, &codes), 200).await, "GetItem 1");
    let shown = app.recovery_codes("u", json!({"accept_on_challenges": true})).await;
    let verify = app.authorized(Method::POST, &format!("{codes}/verify")).json(&json!({"code": shown[0]}));
    assert_eq!(costs.of(verify, 201).await, "GetItem 1, UpdateItem 1");

    let body = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "a", "user_id": "u"});
    let totp = Totp::of(&app.post("/auth/factors/enroll", body, 201).await);
    assert!(app.logs_in(&totp).await);
    let challenge = app.challenge(&totp.id).await;
    assert_eq!(costs.verify(&challenge, &shown[1]).await, "GetItem 1, GetItem 1, GetItem 1, UpdateItem 1");
    assert_eq!(costs.of(app.authorized(Method::DELETE, &codes), 204).await, "GetItem 1, DeleteItem 1");
}

/// A factor with long labels, or much history, makes challenges without a snapshot, so that their writes stay one unit.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_does_not_fit_into_a_write_unit_is_left_out() {
    let costs = Costs::start().await;
    let app = &costs.app;
    let (issuer, account) = ("i".repeat(255), "a".repeat(255));
    let body =
        json!({"type": "totp", "totp_issuer": issuer, "totp_user": account, "user_id": "u".repeat(99)});
    let totp = Totp::of(&app.post("/auth/factors/enroll", body, 201).await);
    assert_eq!(costs.challenge(&totp).await, "GetItem 1, PutItem 1");
    assert!(app.dump().await.iter().all(|item| !item.contains_key("snapshot")));
    let challenge = app.challenge(&totp.id).await;
    let right = app.code_of(&totp, 0);
    // The factor itself is larger than a write unit.
    assert_eq!(costs.verify(&challenge, &right).await, "GetItem 1, GetItem 1, UpdateItem 2");
}

/// A table's name as `CloudFormation` makes it, in a stack that is called latchkey.
const TABLE: &str = "latchkey-Table-1ABCDEFGHIJK";

/// What `CloudWatch` Logs adds to each event, in bytes.
const EVENT_BYTES: usize = 26;

/// The bytes of the log lines of a login.
struct LineBytes {
    challenge: usize,
    verify: usize,
    /// Of the gateway, for each of the two.
    gateway: usize,
}

/// The audit lines of a challenge and a right code, as API Gateway's events make them: with its request IDs, which have 16
/// characters, and a latency of one digit.
async fn audit_lines() -> [String; 2] {
    let app = App::start().await;
    let (core, keyring) = (&app.local.core, &app.local.keyring);
    let config = SmsConfig { sender_id: None, origination_number: None, template: SmsTemplate::default() };
    let sms = Sms::new(shared::aws::sns(&shared::aws::on_this_machine(&app.local.sns_url)), config);
    let (totp, key) = (app.enroll_totp().await, ("api_key", app.local.api_key.expose()));

    let routes = challenge::router(core.clone(), keyring.clone(), sms);
    let event = filled("challenge", &[key, ("factor_id", &totp.id)]);
    let answer = Gateway::new(core.clone(), routes).answer(&event).await.unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    let made: serde_json::Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let id = made["id"].as_str().unwrap();

    let routes = verify::router(core.clone(), keyring.clone());
    let event = filled("verify", &[key, ("challenge_id", id), ("code", &app.code_of(&totp, 0))]);
    let answer = Gateway::new(core.clone(), routes).answer(&event).await.unwrap();
    assert_eq!(serde_json::to_value(answer).unwrap()["statusCode"], 201);

    let logs = logged();
    let lines: Vec<&str> = logs.lines().filter(|line| line.contains(bare(id))).collect();
    let [challenge, verify] = lines.as_slice() else { panic!("two lines: {lines:#?}") };
    for line in [challenge, verify] {
        assert!(line.contains(r#""request_id":"JKJaXmPLv"#) && line.contains(r#""outcome":"ok""#), "{line}");
        assert!(line.contains(r#""ms":0"#), "the clock stands still: {line}");
    }
    [challenge, verify].map(|line| (*line).to_owned())
}

/// A line of the gateway's log, as the template has it.
fn gateway_line() -> String {
    let template: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&fs::read_to_string(root().join("template.yaml")).unwrap()).unwrap();
    let format = &template["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"];
    let line = [
        ("$context.requestId", "JKJaXmPLvHcESHA="),
        ("$context.identity.sourceIp", "203.0.113.195"),
        ("$context.routeKey", "POST /auth/challenges/{id}/verify"),
        ("$context.status", "201"),
        ("$context.error.responseType", "-"),
    ]
    .iter()
    .fold(format.as_str().unwrap().to_owned(), |line, (name, value)| line.replace(name, value));
    assert!(!line.contains('$'), "{line}");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_writes_647_bytes_of_audit_lines() {
    let [challenge, verify] = audit_lines().await;
    assert_eq!((challenge.len(), verify.len()), (325, 322), "{challenge}\n{verify}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_say_what_a_million_logins_cost() {
    let longer = TABLE.len() - cli::serve::TABLE.len();
    let [challenge, verify] = audit_lines().await.map(|line| line.len() + longer);
    let bytes = LineBytes { challenge, verify, gateway: gateway_line().len() };
    let login = bytes.challenge + bytes.verify + 2 * bytes.gateway + 4 * EVENT_BYTES;
    // Of a million logins: megabytes, and dollars in cents, each row rounded as the page does.
    let logs = f64::from(u32::try_from(login).unwrap()) * 0.5e-3;
    let lambda = 2.0 * 0.2 + 5_000.0 * 0.000_013_333_4;
    // A read and a write each, which the tests above count.
    let dynamodb = 2.0 * 0.125 + 2.0 * 0.625;
    let rows = [2.0, dynamodb, logs, lambda].map(|dollars| (dollars * 100.0).round() / 100.0);
    let total: f64 = rows.iter().sum();
    assert!(total <= 4.5, "{total}");

    let page = fs::read_to_string(root().join("docs/DEPLOY.md")).unwrap();
    let LineBytes { challenge, verify, gateway } = bytes;
    for row in [
        format!("| HTTP API | 2 requests × $1.00 | ${:.2} |", rows[0]),
        format!("2 × $0.125 + 2 × $0.625 | ${:.2} |", rows[1]),
        format!(
            "| CloudWatch Logs | {challenge} B + {verify} B of the functions, 2 × {gateway} B of the gateway, \
             4 × {EVENT_BYTES} B: {:.2} GB × $0.50 | ${:.2} |",
            logs / 0.5,
            rows[2]
        ),
        format!("5,000 GB-s × $0.0000133334 | ${:.2} |", rows[3]),
        format!("| **together** | | **${total:.2}** |"),
        // Of ten thousand logins per second: a hundredth of a million.
        format!("| {:.0} MB per second, about ${:.0} per day |", logs / 0.5 * 10.0, logs * 864.0),
    ] {
        assert!(page.contains(&row), "{row}");
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("cost about ${total:.2} at us-east-1 list prices")), "{total:.2}");
}
