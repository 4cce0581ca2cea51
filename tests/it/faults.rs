//! What becomes of requests when the calls behind them fail: the rows FLT of the security requirements.
//!
//! [`matrix`] fails every call of every operation in every way; in [`rows`] are those that ask for more than one failing
//! call, for time, or for none; in [`messages`] what is true of text messages only.

mod aftermath;
mod matrix;
mod messages;
mod operation;
mod rows;

pub(crate) use messages::refusing;

use crate::app::{Answer, App};
use crate::openapi::is_allowed;
use axum::Router;
use axum::routing::get;
use cli::serve::faults::Call;
use operation::Operation;
use serde_json::json;
use shared::aws;
use shared::config::Settings;
use shared::core::Core;
use shared::domain::factor::Factor;
use shared::domain::id::FactorId;
use shared::http::{all_routes, app as application};
use shared::ports::OsEntropy;
use shared::sms::Sms;
use shared::store::Store;
use std::sync::Arc;
use tower::ServiceExt as _;

/// Asserts that an answer is the one 503 there is: no verdict, no cause, a time to come back (FLT-01, LOG-07).
pub(crate) fn is_unavailable(answer: &Answer) {
    let body = json!({"code": "service_unavailable", "message": "The service is temporarily unavailable."});
    assert_eq!(answer.expect(503), body);
    assert_eq!(answer.headers["retry-after"], "1");
}

/// Asserts that decisions rest on consistent reads of the table itself (FLT-05).
fn read_consistently(operation: Operation, calls: &[Call]) {
    for call in calls {
        match call.operation.as_str() {
            "GetItem" => {
                let sent: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
                assert_eq!(sent["ConsistentRead"], true, "{operation:?}");
            }
            "Query" => assert!(!operation.decides(), "{operation:?} asks the index"),
            other => assert!(!["Scan", "BatchGetItem"].contains(&other), "{operation:?} calls {other}"),
        }
    }
}

/// Whether a call is the first of an operation since the plan was set, with all of its tries.
fn first_call(operation: &'static str) -> impl FnMut(&Call) -> bool + Send {
    let mut first = None;
    move |call| call.operation == operation && *first.get_or_insert(call.number) == call.number
}

/// A factor as the table holds it.
async fn stored(app: &App, factor: &str) -> Option<Factor> {
    let store = &app.local.core.store;
    let local = store.environment(app.local.api_key.tag()).await.unwrap().unwrap();
    store.factor(local.environment.id, FactorId::parse(factor).unwrap()).await.unwrap()
}

/// All functions over clients of their own, which reach table and outbox at these URLs.
pub(crate) fn assemble(app: &App, table: &str, outbox: &str) -> Router {
    assemble_with(app, aws::dynamodb(&aws::on_this_machine(table)), outbox)
}

/// All functions over this client of the table.
pub(crate) fn assemble_with(app: &App, table: aws_sdk_dynamodb::Client, outbox: &str) -> Router {
    let local = &app.local;
    let store = Store::new(table, cli::serve::TABLE.to_owned());
    let policy = (*local.core.policy).clone();
    let core = Core::new(store, policy, Arc::new(local.clock.clone()), Arc::new(OsEntropy));
    let settings = Settings::for_local(&|_| None).unwrap();
    let sms = Sms::new(aws::sns(&aws::on_this_machine(outbox)), settings.sms);
    let routes = all_routes(&core, &local.keyring, sms)
        .route("/panic", get(async || -> &'static str { panic!("panicked at the table latchkey") }));
    application(core, routes)
}

/// Asks `routes` without a server between.
pub(crate) async fn ask(routes: Router, request: reqwest::RequestBuilder) -> Answer {
    let request: http::Request<reqwest::Body> = request.build().unwrap().try_into().unwrap();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = routes.oneshot(request.map(axum::body::Body::new)).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, 65_536).await.unwrap().to_vec();
    let text = String::from_utf8(text).unwrap();
    let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, text };
    is_allowed(&method, &path, &answer);
    answer
}
