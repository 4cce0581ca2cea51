//! What each operation costs in DynamoDB: calls and capacity units, exactly (docs/PERFORMANCE.md).

use crate::app::{App, Totp};
use crate::faults::{ask, assemble_with};
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
use std::sync::{Arc, Mutex};

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
