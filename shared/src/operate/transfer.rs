//! Factors that are imported from another system, or exported to one. Recovery codes are only listed.

use super::Operator;
use super::sweep::{PagePosition, page};
use crate::domain::factor::Factor;
use crate::domain::id::EnvironmentId;
use crate::domain::recovery::RecoveryCodes;
use crate::store::item::Item;
use crate::store::schema::{self, attr};
use crate::store::{Listing, StoreError, error, item};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;

/// An item that belongs to a user.
#[derive(Debug)]
pub enum UserItem {
    /// A factor.
    Factor(Box<Factor>),
    /// Recovery codes, which cannot be moved: they are MACs.
    RecoveryCodes(Box<RecoveryCodes>),
}

impl UserItem {
    fn from_item(item: &Item) -> Result<Self, StoreError> {
        if schema::is_factor(item) {
            item::to_factor(item).map(|factor| Self::Factor(Box::new(factor)))
        } else {
            item::to_recovery_codes(item).map(|set| Self::RecoveryCodes(Box::new(set)))
        }
    }
}

impl Operator {
    /// Writes `factor` unless a factor with its ID exists, which is returned as it is: from an earlier import, or from an
    /// earlier try of this write, whose response was lost. One conditional write.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written. A repeat is harmless.
    /// [`StoreError::Corrupt`] if the factor that exists is damaged.
    pub async fn import(&self, factor: &Factor) -> Result<Option<Factor>, StoreError> {
        let put = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item::from_factor(factor)))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", attr::PK)
            .return_values_on_condition_check_failure(AllOld);
        let Err(error) = put.send().await else { return Ok(None) };
        let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() else {
            return Err(error::unavailable("import a factor", &error));
        };
        item::to_factor(refused.item().ok_or(StoreError::Corrupt(attr::PK))?).map(Some)
    }

    /// The factors and recovery codes of an environment among the next `items` items of the table, or fewer, read consistently and in the
    /// order of the table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn user_items(
        &self,
        environment: EnvironmentId,
        from: Option<PagePosition>,
        items: i32,
    ) -> Result<(Listing<UserItem>, Option<PagePosition>), StoreError> {
        let [all, _] = schema::partition_prefixes(environment);
        let scan = self
            .scan(from)
            .limit(items)
            .filter_expression("begins_with(#pk, :all) AND #sk IN (:factor, :recovery_codes)")
            .expression_attribute_names("#pk", attr::PK)
            .expression_attribute_names("#sk", attr::SK)
            .expression_attribute_values(":all", AttributeValue::S(all))
            .expression_attribute_values(":factor", AttributeValue::S(schema::FACTOR.to_owned()))
            .expression_attribute_values(
                ":recovery_codes",
                AttributeValue::S(schema::RECOVERY_CODES.to_owned()),
            );
        let (found, next) = page("read the factors of an environment", scan).await?;
        Ok((Listing::read(&found, attr::PK, UserItem::from_item)?, next))
    }
}
