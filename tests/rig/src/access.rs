//! What IAM is asked about a recorded call: the action, the resource, and the keys that conditions look at.

use crate::Failure;
use cli::serve::faults::Call;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The account everything is in; the one a moto server has.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region everything is in.
pub(crate) const REGION: &str = "us-east-1";

/// One question to IAM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    /// `dynamodb:GetItem`
    pub(crate) action: String,
    /// An ARN; of a message to a phone, the number.
    pub(crate) resource: String,
    /// The condition keys that the call shows, with their values.
    pub(crate) context: BTreeMap<String, Vec<String>>,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} with {:?}", self.action, self.resource, self.context)
    }
}

/// Every access a call is: a transaction is one for each of its items.
///
/// # Errors
///
/// If the call is not one the rig knows how to judge.
pub(crate) fn of(call: &Call) -> Result<Vec<Access>, Failure> {
    let operation = call.operation.as_str();
    match operation {
        "Publish" => publish(&call.body).map(|access| vec![access]),
        "Decrypt" | "GenerateDataKey" => Ok(vec![key_use(operation, &serde_json::from_slice(&call.body)?)]),
        "TransactWriteItems" => {
            let body: Value = serde_json::from_slice(&call.body)?;
            let items = body["TransactItems"].as_array().ok_or("a transaction of nothing")?;
            let writes = items.iter().filter_map(Value::as_object).flatten();
            writes
                .map(|(kind, write)| match kind.as_str() {
                    "Put" | "Update" | "Delete" => item_access(&format!("{kind}Item"), write),
                    "ConditionCheck" => item_access("ConditionCheckItem", write),
                    other => Err(format!("a transaction with {other}").into()),
                })
                .collect()
        }
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" => {
            Ok(vec![item_access(operation, &serde_json::from_slice(&call.body)?)?])
        }
        other => Err(format!("no function is known to call {other}").into()),
    }
}

/// What a call to the table is about, short enough for a table: the index, the keyring, the
/// list of environments, or the kind of item.
pub(crate) fn subject(access: &Access) -> &'static str {
    let key = access.context.get("dynamodb:LeadingKeys").and_then(|keys| keys.first());
    let key = key.map(String::as_str).unwrap_or_default();
    match () {
        () if access.resource.ends_with("/index/by_user") => "index",
        () if key == "keyring" => "keyring",
        () if key == "environments" => "environments",
        () if key.starts_with("environment/") => "environment",
        () if key.starts_with("sms/") => "budget",
        () if key.contains("/recovery_codes/") => "recovery codes",
        () if key.contains("/auth_factor_") => "factor",
        () if key.contains("/auth_challenge_") => "challenge",
        () => "",
    }
}

fn item_access(operation: &str, body: &Value) -> Result<Access, Failure> {
    let mut resource = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{}", text(&body["TableName"])?);
    if let Some(index) = body["IndexName"].as_str() {
        resource = format!("{resource}/index/{index}");
    }
    let key = match operation {
        "Query" => partition(body)?,
        "PutItem" => text(&body["Item"]["pk"]["S"])?,
        _ => text(&body["Key"]["pk"]["S"])?,
    };
    let context = BTreeMap::from([("dynamodb:LeadingKeys".to_owned(), vec![key])]);
    Ok(Access { action: format!("dynamodb:{operation}"), resource, context })
}

/// The partition a query reads: its condition begins `#name = :value`.
fn partition(query: &Value) -> Result<String, Failure> {
    let condition = text(&query["KeyConditionExpression"])?;
    let value = condition.split_whitespace().nth(2).ok_or("a query without a partition")?;
    text(&query["ExpressionAttributeValues"][value]["S"])
}

fn key_use(operation: &str, body: &Value) -> Access {
    let encryption = body["EncryptionContext"].as_object();
    let mut context: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in encryption.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        context.insert(format!("kms:EncryptionContext:{key}"), vec![value]);
        context.entry("kms:EncryptionContextKeys".to_owned()).or_default().push(key.clone());
    }
    let resource = body["KeyId"].as_str().unwrap_or("any key").to_owned();
    Access { action: format!("kms:{operation}"), resource, context }
}

fn publish(body: &[u8]) -> Result<Access, Failure> {
    let fields: BTreeMap<String, String> = serde_urlencoded::from_bytes(body)?;
    let to = ["TopicArn", "TargetArn", "PhoneNumber"].into_iter().find_map(|name| fields.get(name));
    let resource = to.ok_or("a message without a recipient")?.clone();
    Ok(Access { action: "sns:Publish".to_owned(), resource, context: BTreeMap::new() })
}

fn text(value: &Value) -> Result<String, Failure> {
    value.as_str().map(str::to_owned).ok_or_else(|| "a call without the text that is looked for".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_query_is_about_the_partition_of_its_condition() {
        let query = json!({
            "TableName": "t", "IndexName": "by_user",
            "KeyConditionExpression": "#owner = :owner AND #id < :cursor",
            "ExpressionAttributeValues": {":owner": {"S": "o"}, ":cursor": {"S": "c"}},
        });
        let access = item_access("Query", &query).unwrap();
        assert_eq!(access.resource, "arn:aws:dynamodb:us-east-1:123456789012:table/t/index/by_user");
        assert_eq!(access.context["dynamodb:LeadingKeys"], ["o"]);
    }

    #[test]
    fn a_use_of_a_key_shows_its_encryption_context() {
        let access = key_use("Decrypt", &json!({"KeyId": "k", "EncryptionContext": {"a": "1", "b": "2"}}));
        assert_eq!((access.action.as_str(), access.resource.as_str()), ("kms:Decrypt", "k"));
        assert_eq!(access.context["kms:EncryptionContext:a"], ["1"]);
        assert_eq!(access.context["kms:EncryptionContextKeys"], ["a", "b"]);
    }

    #[test]
    fn a_message_is_to_a_number_unless_it_names_a_topic() {
        assert_eq!(publish(b"Action=Publish&PhoneNumber=%2B15005550006").unwrap().resource, "+15005550006");
        let both = publish(b"PhoneNumber=%2B15005550006&TopicArn=arn%3Aaws%3Asns").unwrap();
        assert_eq!(both.resource, "arn:aws:sns");
    }
}
