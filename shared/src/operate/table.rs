//! The table itself: what an operator makes and looks at. No function may.

use super::{Changed, Operator};
use crate::store::StoreError;
use crate::store::error::unavailable;
use crate::store::schema::{BY_USER, LISTED, attr};
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, Projection, ProjectionType,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use std::time::Duration;

/// How long an operator waits for a new table.
const TABLE_ACTIVE_TIMEOUT: Duration = Duration::from_mins(5);

/// The table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    /// Whether it can be used.
    pub active: bool,
    /// What of its keys and its index is not as the code needs it.
    pub differences: Vec<String>,
    /// Whether it is paid by the request, so that no capacity runs out.
    pub on_demand: bool,
    /// Whether it cannot be deleted by mistake.
    pub protected: bool,
}

impl Operator {
    /// Makes the table, with its index and its TTL, and waits until it can be used; [`Changed::Refused`] if it is there.
    /// On AWS the template makes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it could not be made.
    pub async fn create_table(&self) -> Result<Changed, StoreError> {
        let failed = |_| StoreError::Corrupt("table definition");
        let mut made = Changed::Refused;
        if self.describe().await?.is_none() {
            let request = definition(self.table.client.create_table()).map_err(failed)?;
            match request.table_name(&self.table.name).send().await {
                Ok(_) => made = Changed::Done,
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(CreateTableError::is_resource_in_use_exception) => {}
                Err(error) => return Err(unavailable("create the table", &error)),
            }
        }
        let active = self.table.client.wait_until_table_exists().table_name(&self.table.name);
        active.wait(TABLE_ACTIVE_TIMEOUT).await.map_err(|_| StoreError::Unavailable {
            operation: "create the table",
            reason: "it is not active yet".to_owned(),
        })?;
        if self.ttl().await?.is_none() {
            let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(attr::TTL);
            let request = self.table.client.update_time_to_live().table_name(&self.table.name);
            let turned_on = request.time_to_live_specification(ttl.build().map_err(failed)?).send().await;
            turned_on.map_err(|error| unavailable("turn on TTL", &error))?;
        }
        Ok(made)
    }

    /// The table as it is; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if DynamoDB does not answer.
    pub async fn describe(&self) -> Result<Option<TableState>, StoreError> {
        match self.table.client.describe_table().table_name(&self.table.name).send().await {
            Ok(answer) => answer.table.map(|table| self.judge(&table)).transpose(),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeTableError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(unavailable("describe the table", &error)),
        }
    }

    /// The attribute by which items are collected, if any are.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if DynamoDB does not answer.
    pub async fn ttl(&self) -> Result<Option<String>, StoreError> {
        let described = self.table.client.describe_time_to_live().table_name(&self.table.name).send().await;
        let ttl = described
            .map_err(|error| unavailable("describe the table's TTL", &error))?
            .time_to_live_description;
        let on = ttl.filter(|ttl| {
            matches!(ttl.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        });
        Ok(on.and_then(|ttl| ttl.attribute_name))
    }

    /// Whether the table can be restored to a moment of the last days.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if DynamoDB does not answer.
    pub async fn point_in_time_recovery(&self) -> Result<bool, StoreError> {
        let described =
            self.table.client.describe_continuous_backups().table_name(&self.table.name).send().await;
        let backups = described
            .map_err(|error| unavailable("describe the table's backups", &error))?
            .continuous_backups_description;
        let status = backups
            .and_then(|backups| backups.point_in_time_recovery_description)
            .and_then(|recovery| recovery.point_in_time_recovery_status);
        Ok(status == Some(PointInTimeRecoveryStatus::Enabled))
    }

    /// Turns on point-in-time recovery.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it is on.
    pub async fn turn_on_point_in_time_recovery(&self) -> Result<(), StoreError> {
        let recovery =
            PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
        let request = self.table.client.update_continuous_backups().table_name(&self.table.name);
        let turned_on = request
            .point_in_time_recovery_specification(
                recovery.map_err(|_| StoreError::Corrupt("table definition"))?,
            )
            .send()
            .await;
        turned_on.map(drop).map_err(|error| unavailable("turn on point-in-time recovery", &error))
    }

    fn judge(&self, table: &TableDescription) -> Result<TableState, StoreError> {
        let failed = |_| StoreError::Corrupt("table definition");
        let wanted = definition(self.table.client.create_table()).map_err(failed)?;
        let mut differences = Vec::new();
        let mut compare = |what: &str, wanted: Vec<String>, found: Vec<String>| {
            if wanted != found {
                differences.push(format!("{what} is {}, not {}", listed(&found), listed(&wanted)));
            }
        };
        let keys = keys(wanted.get_key_schema().as_deref().unwrap_or_default());
        compare("its key", keys, self::keys(table.key_schema()));
        for index in wanted.get_global_secondary_indexes().iter().flatten() {
            let found = table
                .global_secondary_indexes()
                .iter()
                .find(|found| found.index_name() == Some(index.index_name()));
            let name = format!("the key of its index {}", index.index_name());
            compare(
                &name,
                self::keys(index.key_schema()),
                found.map_or_else(Vec::new, |found| self::keys(found.key_schema())),
            );
            let name = format!("what its index {} carries", index.index_name());
            compare(
                &name,
                projected(index.projection()),
                projected(found.and_then(|found| found.projection())),
            );
        }
        let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
        Ok(TableState {
            active: table.table_status() == Some(&TableStatus::Active),
            differences,
            on_demand: billing == Some(&BillingMode::PayPerRequest),
            protected: table.deletion_protection_enabled().unwrap_or_default(),
        })
    }
}

fn keys(schema: &[KeySchemaElement]) -> Vec<String> {
    schema.iter().map(|element| format!("{} {}", element.attribute_name(), element.key_type())).collect()
}

fn projected(projection: Option<&Projection>) -> Vec<String> {
    let mut names = projection.map(|projection| projection.non_key_attributes().to_vec()).unwrap_or_default();
    names.sort();
    names
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The table's definition, on a request to create it.
///
/// # Errors
///
/// Never: every required field is set.
fn definition(
    request: CreateTableFluentBuilder,
) -> Result<CreateTableFluentBuilder, aws_sdk_dynamodb::error::BuildError> {
    let attribute = |name| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
    };
    let element = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let projection = Projection::builder()
        .projection_type(ProjectionType::Include)
        .set_non_key_attributes(Some(LISTED.map(str::to_owned).to_vec()))
        .build();
    let by_user = GlobalSecondaryIndex::builder()
        .index_name(BY_USER)
        .key_schema(element(attr::OWNER, KeyType::Hash)?)
        .key_schema(element(attr::ID, KeyType::Range)?)
        .projection(projection)
        .build()?;
    Ok(request
        .deletion_protection_enabled(true)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(attr::PK)?)
        .attribute_definitions(attribute(attr::SK)?)
        .attribute_definitions(attribute(attr::OWNER)?)
        .attribute_definitions(attribute(attr::ID)?)
        .key_schema(element(attr::PK, KeyType::Hash)?)
        .key_schema(element(attr::SK, KeyType::Range)?)
        .global_secondary_indexes(by_user))
}
