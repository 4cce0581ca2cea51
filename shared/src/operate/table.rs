//! The table itself: create and inspect it. Functions do not have this permission.

use super::{ChangeOutcome, Operator};
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

/// How long to wait until a new table is active.
const TABLE_ACTIVE_TIMEOUT: Duration = Duration::from_mins(5);

/// The state of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    /// Whether the table is active.
    pub active: bool,
    /// Differences between its keys and index and those that the code requires.
    pub differences: Vec<String>,
    /// Whether its billing mode is on-demand, so that it cannot run out of capacity.
    pub on_demand: bool,
    /// Whether deletion protection is on.
    pub protected: bool,
}

impl Operator {
    /// Creates the table with its index and TTL, and waits until it is active. Returns [`ChangeOutcome::Refused`] if it
    /// exists. On AWS, `template.yaml` creates it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it could not be created.
    pub async fn create_table(&self) -> Result<ChangeOutcome, StoreError> {
        let invalid = |_| StoreError::Corrupt("table definition");
        // TTL is enabled last. `DescribeTable` would count the items of a local table. A failure, for example because there
        // is no table, is reported by the calls below.
        if matches!(self.ttl().await, Ok(Some(_))) {
            return Ok(ChangeOutcome::Refused);
        }
        let mut outcome = ChangeOutcome::Refused;
        if self.describe().await?.is_none() {
            let request = definition(self.table.client.create_table()).map_err(invalid)?;
            match request.table_name(&self.table.name).send().await {
                Ok(_) => outcome = ChangeOutcome::Done,
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
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(attr::TTL);
        let request = self.table.client.update_time_to_live().table_name(&self.table.name);
        let enabled = request.time_to_live_specification(ttl.build().map_err(invalid)?).send().await;
        enabled.map_err(|error| unavailable("enable TTL", &error))?;
        Ok(outcome)
    }

    /// The state of the table; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the call fails.
    pub async fn describe(&self) -> Result<Option<TableState>, StoreError> {
        match self.table.client.describe_table().table_name(&self.table.name).send().await {
            Ok(answer) => answer.table.map(|table| self.state_of(&table)).transpose(),
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

    /// The TTL attribute; `None` if TTL is off.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the call fails.
    pub async fn ttl(&self) -> Result<Option<String>, StoreError> {
        let described = self.table.client.describe_time_to_live().table_name(&self.table.name).send().await;
        let ttl = described
            .map_err(|error| unavailable("describe the table's TTL", &error))?
            .time_to_live_description;
        let enabled = ttl.filter(|ttl| {
            matches!(ttl.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        });
        Ok(enabled.and_then(|ttl| ttl.attribute_name))
    }

    /// Whether point-in-time recovery is on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the call fails.
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

    /// Enables point-in-time recovery.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it is on.
    pub async fn enable_point_in_time_recovery(&self) -> Result<(), StoreError> {
        let recovery =
            PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
        let request = self.table.client.update_continuous_backups().table_name(&self.table.name);
        let enabled = request
            .point_in_time_recovery_specification(
                recovery.map_err(|_| StoreError::Corrupt("table definition"))?,
            )
            .send()
            .await;
        enabled.map(drop).map_err(|error| unavailable("enable point-in-time recovery", &error))
    }

    fn state_of(&self, table: &TableDescription) -> Result<TableState, StoreError> {
        let invalid = |_| StoreError::Corrupt("table definition");
        let expected = definition(self.table.client.create_table()).map_err(invalid)?;
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: Vec<String>, found: Vec<String>| {
            if expected != found {
                differences.push(format!("{what} is {}, expected {}", listed(&found), listed(&expected)));
            }
        };
        let keys = keys(expected.get_key_schema().as_deref().unwrap_or_default());
        compare("its key", keys, self::keys(table.key_schema()));
        for index in expected.get_global_secondary_indexes().iter().flatten() {
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
            let name = format!("the projection of its index {}", index.index_name());
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
/// Never: all required fields are set.
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
