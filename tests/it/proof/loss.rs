//! A table that loses writes, or the answers to them, or forgets their conditions.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What happens to a write on its way to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing.
    None,
    /// It never arrives; the client hears a 500.
    Write,
    /// It is applied; the client hears a 500.
    Answer,
    /// As `Write`, this time and whenever it is sent again.
    WriteForGood,
    /// As `Answer`, this time and whenever it is sent again: no one ever hears of it.
    AnswerForGood,
    /// A guard's condition: it is written over whatever stands there. A broken store, for a test of the tests.
    Condition,
}

/// Losses for `writes` writes, one of `one_in` of them a write or an answer; never two in a row if they are `apart`, and else one
/// in forty of them for good.
pub(crate) fn some(seed: u64, writes: usize, one_in: u32, apart: bool) -> Vec<Loss> {
    let mut rng = StdRng::seed_from_u64(seed);
    let loss = |at| match rng.random_range(0..one_in * 2) {
        _ if apart && at % 2 == 0 => Loss::None,
        0 if !apart && rng.random_range(0..40) == 0 => Loss::WriteForGood,
        1 if !apart && rng.random_range(0..40) == 0 => Loss::AnswerForGood,
        0 => Loss::Write,
        1 => Loss::Answer,
        _ => Loss::None,
    };
    (0..writes).map(loss).collect()
}

#[derive(Clone)]
struct Proxy {
    table: String,
    client: reqwest::Client,
    losses: Arc<Mutex<VecDeque<Loss>>>,
    /// What is lost for good. A request that is sent again has the same fields in any order.
    lost: Arc<Mutex<Vec<(Value, Loss)>>>,
}

/// The URL of `table` with `losses`, one a write; after them it loses nothing.
pub(crate) async fn in_front_of(table: &str, losses: &[Loss]) -> String {
    let losses = Arc::new(Mutex::new(losses.iter().copied().collect()));
    let (table, lost) = (table.to_owned(), Arc::default());
    let proxy = Proxy { table, client: crate::app::client(), losses, lost };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(forward).with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    url
}

async fn forward(State(proxy): State<Proxy>, mut headers: HeaderMap, mut body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let is_write = ["PutItem", "UpdateItem", "DeleteItem"].iter().any(|write| target.ends_with(write));
    let sent: Value = serde_json::from_slice(&body).unwrap();
    let lost = proxy.lost.lock().unwrap().iter().find(|(request, _)| *request == sent).map(|(_, loss)| *loss);
    let next = || is_write.then(|| proxy.losses.lock().unwrap().pop_front()).flatten();
    let loss = lost.or_else(next).unwrap_or(Loss::None);
    if matches!(loss, Loss::WriteForGood | Loss::AnswerForGood) {
        proxy.lost.lock().unwrap().push((sent, loss));
    }
    if matches!(loss, Loss::Write | Loss::WriteForGood) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if loss == Loss::Condition {
        body = without_condition(&body);
        headers.remove(header::CONTENT_LENGTH);
    }
    let answer = proxy.client.post(&proxy.table).headers(headers).body(body).send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    if matches!(loss, Loss::Answer | Loss::AnswerForGood) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    (status, headers, body).into_response()
}

/// A guard's `UpdateItem` that asks for no version; any other write as it is.
fn without_condition(body: &Bytes) -> Bytes {
    let mut write: Value = serde_json::from_slice(body).unwrap();
    let fields = write.as_object_mut().unwrap();
    if fields.contains_key("UpdateExpression") {
        fields.remove("ConditionExpression");
        // DynamoDB refuses a value that no expression uses.
        fields["ExpressionAttributeValues"].as_object_mut().unwrap().remove(":seen");
    }
    serde_json::to_vec(&write).unwrap().into()
}
