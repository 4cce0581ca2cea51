//! A proxy in front of the engine that counts: every call of a function, with the capacity units that it consumed.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use cli::serve::TABLE;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A table name as long as those that `CloudFormation` makes, because log lines contain it.
pub const DEPLOYED_TABLE: &str = "latchkey-Table-1A2B3C4D5E6F";

/// A call and its capacity units.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// `GetItem`, as the service names it.
    pub operation: String,
    pub units: f64,
}

impl Call {
    /// Whether it consumes write units. Reads and writes have different prices.
    pub fn writes(&self) -> bool {
        match self.operation.as_str() {
            "GetItem" | "Query" => false,
            "PutItem" | "UpdateItem" | "DeleteItem" => true,
            other => panic!("{other} has no price yet"),
        }
    }
}

pub struct Meter {
    pub url: String,
    counting: Arc<Counting>,
    serving: JoinHandle<()>,
}

struct Counting {
    http: reqwest::Client,
    upstream: String,
    calls: Mutex<Vec<Call>>,
}

impl Meter {
    pub async fn start(upstream: &str) -> Self {
        let http = crate::client::http();
        let counting = Arc::new(Counting { http, upstream: upstream.to_owned(), calls: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(forward).with_state(Arc::clone(&counting));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, counting, serving }
    }

    /// The calls since it was last asked.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.counting.calls.lock().unwrap())
    }

    pub fn stop(self) {
        self.serving.abort();
    }
}

async fn forward(State(counting): State<Arc<Counting>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let mut request: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(request["TableName"], DEPLOYED_TABLE);
    request["TableName"] = TABLE.into();
    request["ReturnConsumedCapacity"] = "TOTAL".into();
    let sent =
        counting.http.post(&counting.upstream).header("x-amz-target", &target).json(&request).send().await;
    let response = sent.unwrap();
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap();
    let answer = response.bytes().await.unwrap();
    let read: Value = serde_json::from_slice(&answer).unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let units = read["ConsumedCapacity"]["CapacityUnits"].as_f64();
    let units = units.unwrap_or_else(|| panic!("{operation} without units: {read}"));
    counting.calls.lock().unwrap().push(Call { operation, units });
    (status, [("content-type", "application/x-amz-json-1.0")], answer).into_response()
}
