//! An AWS account that can be broken: DynamoDB and KMS are a local server's, SNS is a few answers.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// How an operation is answered, if not as it should be.
#[derive(Clone)]
pub(crate) enum Reply {
    /// With this.
    Answer(Value),
    /// With this instead of what stands at a place of the real answer.
    Set(&'static str, Value),
    /// With this, by SNS.
    Xml(String),
    /// With this code.
    Refuse(&'static str),
}

impl Reply {
    pub(crate) fn set(place: &'static str, value: Value) -> Self {
        Self::Set(place, value)
    }
}

pub(crate) struct Aws {
    pub(crate) url: String,
    account: Account,
}

#[derive(Clone)]
struct Account {
    dynamodb: String,
    kms: String,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    asked: Arc<Mutex<HashMap<String, u32>>>,
}

impl Aws {
    pub(crate) async fn start(dynamodb: &str, kms: &str) -> Self {
        let account = Account {
            dynamodb: dynamodb.to_owned(),
            kms: kms.to_owned(),
            replies: Arc::default(),
            asked: Arc::default(),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(account.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let aws = Self { url, account };
        aws.heal();
        aws
    }

    /// From now on an operation is answered with `reply`.
    pub(crate) fn answer(&self, operation: &str, reply: Reply) {
        self.account.replies.lock().unwrap().insert(operation.to_owned(), reply);
    }

    /// How often an operation was asked for.
    pub(crate) fn asked(&self, operation: &str) -> u32 {
        self.account.asked.lock().unwrap().get(operation).copied().unwrap_or_default()
    }

    /// A sound account again.
    pub(crate) fn heal(&self) {
        let attributes = "<attributes><entry><key>MonthlySpendLimit</key><value>600</value></entry>\
             <entry><key>DefaultSMSType</key><value>Transactional</value></entry>\
             <entry><key>DeliveryStatusIAMRole</key><value>arn:aws:iam::123456789012:role/sns</value></entry></attributes>";
        *self.account.replies.lock().unwrap() = [
            // The engine's table was made without them.
            ("DescribeContinuousBackups", backups("ENABLED")),
            (
                "GetSMSSandboxAccountStatus",
                Reply::Xml(xml("GetSMSSandboxAccountStatus", "<IsInSandbox>false</IsInSandbox>")),
            ),
            ("GetSMSAttributes", Reply::Xml(xml("GetSMSAttributes", attributes))),
            (
                "ListOriginationNumbers",
                Reply::Xml(xml(
                    "ListOriginationNumbers",
                    "<PhoneNumbers><member><PhoneNumber>+12025550123</PhoneNumber></member></PhoneNumbers>",
                )),
            ),
            ("ListPhoneNumbersOptedOut", Reply::Xml(xml("ListPhoneNumbersOptedOut", "<phoneNumbers/>"))),
        ]
        .map(|(operation, reply)| (operation.to_owned(), reply))
        .into();
    }
}

pub(crate) fn backups(status: &str) -> Reply {
    Reply::Answer(json!({"ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status},
    }}))
}

pub(crate) fn xml(action: &str, result: &str) -> String {
    format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>")
}

async fn answer(State(account): State<Account>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
    let operation = target.as_ref().map_or_else(
        || {
            let fields = String::from_utf8(body.to_vec()).unwrap();
            fields.split('&').find_map(|field| field.strip_prefix("Action=")).unwrap().to_owned()
        },
        |target| target.rsplit('.').next().unwrap().to_owned(),
    );
    *account.asked.lock().unwrap().entry(operation.clone()).or_default() += 1;
    let reply = account.replies.lock().unwrap().get(&operation).cloned();
    match reply {
        Some(Reply::Refuse(code)) if target.is_none() => {
            let text = format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
            (StatusCode::FORBIDDEN, [(CONTENT_TYPE, "text/xml")], text).into_response()
        }
        Some(Reply::Refuse(code)) => json_answer(StatusCode::BAD_REQUEST, &json!({ "__type": code })),
        Some(Reply::Xml(text)) => ([(CONTENT_TYPE, "text/xml")], text).into_response(),
        Some(Reply::Answer(value)) => json_answer(StatusCode::OK, &value),
        Some(Reply::Set(place, value)) => {
            let (status, mut real) = forward(&account, &headers, body).await;
            if let Some((parent, name)) = place.rsplit_once('/') {
                real.pointer_mut(parent).unwrap()[name] = value;
            }
            json_answer(status, &real)
        }
        None => {
            let (status, real) = forward(&account, &headers, body).await;
            json_answer(status, &real)
        }
    }
}

async fn forward(account: &Account, headers: &HeaderMap, body: Bytes) -> (StatusCode, Value) {
    let is_kms = headers["x-amz-target"].to_str().unwrap().starts_with("TrentService.");
    let url = if is_kms { &account.kms } else { &account.dynamodb };
    let signed = ["x-amz-target", "content-type", "authorization", "x-amz-date"];
    let request = signed
        .iter()
        .fold(crate::app::client().post(url), |request, name| request.header(*name, &headers[*name]));
    let answer = request.body(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn json_answer(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], value.to_string()).into_response()
}
