//! A table that is no server: it answers DynamoDB's client inside the process.
//!
//! It keeps what was put and gives it back by key. What becomes of any other write, [`Table::writes`] decides; it applies
//! none. Whatever is neither a read by key nor a write is refused.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A table in this process.
#[derive(Clone, Default)]
pub struct Table(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    items: HashMap<String, Value>,
    on_read: Option<OnRead>,
    on_write: Option<OnWrite>,
}

type OnRead = Arc<dyn Fn(&str) + Send + Sync>;
type OnWrite = Arc<dyn Fn(&Write) -> Fate + Send + Sync>;

/// A write that was asked for.
pub struct Write {
    /// `PutItem`, `UpdateItem`, …
    pub operation: String,
    /// The request.
    pub request: Value,
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A put is kept.
    Kept,
    /// The table takes no writes. The client does not try again.
    Refused,
    /// The condition does not hold for the item as it is.
    Conflict,
}

impl Table {
    /// What becomes of writes from now on. Before, every put is kept.
    pub fn writes(&self, decide: impl Fn(&Write) -> Fate + Send + Sync + 'static) {
        self.state().on_write = Some(Arc::new(decide));
    }

    /// What happens from now on before an item is given; its key is `<pk> <sk>`.
    pub fn reads(&self, happen: impl Fn(&str) + Send + Sync + 'static) {
        self.state().on_read = Some(Arc::new(happen));
    }

    /// How a client reaches it.
    #[must_use]
    pub fn sdk(&self) -> SdkConfig {
        let table = self.clone();
        sdk(move |operation, request| table.answer(operation, request))
    }

    fn answer(&self, operation: &str, request: Value) -> (u16, Value) {
        let key = key_of(request.get("Item").or_else(|| request.get("Key")));
        if operation == "GetItem" {
            // The lock is not held while the caller does as it pleases.
            let on_read = self.state().on_read.clone();
            on_read.inspect(|happen| happen(&key));
            let item = self.state().items.get(&key).cloned();
            return (200, item.map_or_else(|| json!({}), |item| json!({ "Item": item })));
        }
        if let ("Query", Some(partition)) =
            (operation, request["ExpressionAttributeValues"][":pk"]["S"].as_str())
        {
            let (partition, state) = (format!("{partition} "), self.state());
            let found = state.items.iter().filter(|(key, _)| key.starts_with(&partition));
            return (200, json!({ "Items": found.map(|(_, item)| item).collect::<Vec<_>>() }));
        }
        let on_write = self.state().on_write.clone();
        let write = Write { operation: operation.to_owned(), request };
        match on_write.map_or(Fate::Kept, |decide| decide(&write)) {
            Fate::Kept if operation == "PutItem" => {
                self.state().items.insert(key, write.request["Item"].clone());
                (200, json!({}))
            }
            Fate::Kept if operation == "TransactWriteItems" => {
                let writes = write.request["TransactItems"].as_array().cloned().unwrap_or_default();
                let puts = writes.iter().map(|write| write["Put"]["Item"].clone());
                self.state().items.extend(puts.map(|item| (key_of(Some(&item)), item)));
                (200, json!({}))
            }
            Fate::Conflict => {
                let mut refused = error("ConditionalCheckFailedException");
                if let Some(item) = self.state().items.get(&key) {
                    refused["Item"] = item.clone();
                }
                (400, refused)
            }
            Fate::Kept | Fate::Refused => (400, error("AccessDeniedException")),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a client reaches `answer`, which is given an operation and a request, and gives a status and a body.
pub(crate) fn sdk(answer: impl Fn(&str, Value) -> (u16, Value) + Send + Sync + 'static) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("x", "x", None, None, "x")))
        .endpoint_url("http://127.0.0.1:1")
        .http_client(Inside(Arc::new(answer)))
        .build()
}

/// A connection that ends in this process.
#[derive(Clone)]
struct Inside(Arc<Answering>);

type Answering = dyn Fn(&str, Value) -> (u16, Value) + Send + Sync;

impl HttpConnector for Inside {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target");
        let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default();
        let body = request.body().bytes().and_then(|body| serde_json::from_slice(body).ok());
        let (status, body) = (self.0)(operation, body.unwrap_or_default());
        let body = SdkBody::from(body.to_string());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), body)))
    }
}

impl HttpClient for Inside {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a connection that ends in this process")
    }
}

fn error(name: &str) -> Value {
    json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "no"})
}

fn key_of(attributes: Option<&Value>) -> String {
    let text = |name: &str| attributes.and_then(|key| key[name]["S"].as_str()).unwrap_or_default();
    format!("{} {}", text("pk"), text("sk"))
}
