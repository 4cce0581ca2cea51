//! The local server on a developer's machine: what web pages, other users and half-open connections get from it.

mod connections;
mod console;
mod files;
mod pages;
mod process;
mod ready;
mod start;
mod terminal;
mod users;

use crate::app::client;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// A request to DynamoDB's endpoint.
fn dynamodb(client: &Client, url: &str, operation: &str, body: &Value) -> RequestBuilder {
    let request = client.post(url).header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
    request.header("content-type", "application/x-amz-json-1.0").body(body.to_string())
}

/// A request to KMS's endpoint.
fn kms(client: &Client, url: &str, operation: &str, body: &Value) -> RequestBuilder {
    let request = client.post(url).header("x-amz-target", format!("TrentService.{operation}"));
    request.header("content-type", "application/x-amz-json-1.1").body(body.to_string())
}

/// A message for the outbox's endpoint, as any page may send one: the form's type and `text/plain` need no preflight.
fn sns(client: &Client, url: &str) -> RequestBuilder {
    let body = "Action=Publish&PhoneNumber=%2B15005550006&Message=Foo+Corp%3A+000000";
    client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// What would harm the most at each of these URLs' ports: engine, root key, outbox.
fn attacks(dynamodb_url: &str, kms_url: &str, sns_url: &str) -> Vec<RequestBuilder> {
    let client = client();
    let (table, key) = (json!({"TableName": cli::serve::TABLE}), cli::serve::kms::KEY_ID);
    let data_key = json!({"KeyId": key, "NumberOfBytes": 32});
    vec![
        dynamodb(&client, dynamodb_url, "Scan", &table),
        dynamodb(&client, dynamodb_url, "DeleteTable", &table),
        client.get(dynamodb_url),
        kms(&client, kms_url, "GenerateDataKey", &data_key),
        kms(&client, kms_url, "DescribeKey", &json!({ "KeyId": key })),
        client.get(kms_url),
        sns(&client, sns_url),
        sns(&client, sns_url).header("content-type", "text/plain"),
        client.request(Method::OPTIONS, dynamodb_url),
        client.request(Method::OPTIONS, kms_url),
        client.request(Method::OPTIONS, sns_url),
    ]
}

/// Sends a request that must be refused with 403 and nothing to read.
async fn is_refused(request: RequestBuilder) {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 403, "{}", answer.url());
    assert_no_cors(answer.headers());
    assert_eq!(answer.text().await.unwrap(), "");
}

fn assert_no_cors(headers: &http::HeaderMap) {
    assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{headers:?}");
}

/// `host:port` of a URL.
fn authority(url: &str) -> String {
    let url: http::Uri = url.parse().unwrap();
    url.authority().unwrap().to_string()
}
