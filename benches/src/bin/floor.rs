//! What a function costs that makes the same calls as one of ours, with our client and items of the same size, and does
//! nothing else. `FLOOR` names the function; `FLOOR_FACTOR` and `FLOOR_CHALLENGE` are partition keys of its items.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::json;
use serde_json::value::RawValue;
use shared::aws;
use shared::config::Config;
use std::collections::HashMap;

/// An item of the table.
type Item = HashMap<String, AttributeValue>;

/// The calls and what they are made with.
struct Floor {
    client: Client,
    table: String,
    function: String,
    factor: Item,
    challenge: Item,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    let client = aws::dynamodb(&aws::in_lambda(config.aws)?);
    let [function, factor, challenge] = ["FLOOR", "FLOOR_FACTOR", "FLOOR_CHALLENGE"].map(variable);
    let mut floor = Floor {
        client,
        table: config.table,
        function: function?,
        factor: Item::new(),
        challenge: Item::new(),
    };
    floor.factor = floor.get(key(&factor?, "factor")).await?;
    floor.challenge = floor.get(key(&challenge?, "challenge")).await?;
    let answer = async |_: LambdaEvent<Box<RawValue>>| {
        floor.calls().await?;
        Ok::<_, Error>(json!({"statusCode": 200}))
    };
    lambda_runtime::run(service_fn(answer)).await
}

impl Floor {
    async fn calls(&self) -> Result<(), Error> {
        match self.function.as_str() {
            "enroll" => self.put(&self.factor).await,
            "factors" => self.get(only_key(&self.factor)).await.map(drop),
            "challenge" => {
                self.get(only_key(&self.factor)).await?;
                self.put(&self.challenge).await
            }
            "verify" => {
                self.get(only_key(&self.challenge)).await?;
                self.update().await
            }
            other => Err(format!("there is no function {other}").into()),
        }
    }

    async fn get(&self, key: Item) -> Result<Item, Error> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        get.send().await?.item.ok_or_else(|| "the item does not exist".into())
    }

    async fn put(&self, item: &Item) -> Result<(), Error> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.clone()));
        put.condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#pk", "pk")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await?;
        Ok(())
    }

    /// Writes the guard that is there, so that the version stays the one that is expected.
    async fn update(&self) -> Result<(), Error> {
        let value = |name: &str| self.factor.get(name).cloned().ok_or("the factor has no such attribute");
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(only_key(&self.factor)))
            .update_expression("SET #version = :next, #guard = :guard")
            .condition_expression("#version = :seen")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#guard", "guard")
            .expression_attribute_values(":seen", value("version")?)
            .expression_attribute_values(":next", value("version")?)
            .expression_attribute_values(":guard", value("guard")?)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await?;
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a program for the bench, not a function")]
fn variable(name: &str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

fn key(pk: &str, sk: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

fn only_key(item: &Item) -> Item {
    ["pk", "sk"].into_iter().filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect()
}
