//! The message log of a phone number. Changes are transactions that include the budgets and the challenge.

use super::item::{self, Item};
use super::schema::{self, attr};
use super::{Store, StoreError, error};
use crate::domain::challenge::Challenge;
use crate::domain::id::{AttemptId, ChallengeId, EnvironmentId};
use crate::domain::phone_log::{PhoneLog, PhoneMacs};
use crate::domain::policy::{MAX_SMS_PER_PREFIX, Policy, SMS_DAY};
use crate::domain::sms_budget::{OverBudget, Window};
use crate::domain::time::Timestamp;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update,
};

/// A change of a number's log.
#[derive(Debug)]
pub struct LogWrite<'a> {
    /// The number.
    pub phone: PhoneMacs,
    /// The log as read; empty if it was not read.
    pub seen: &'a PhoneLog,
    /// The new log.
    pub next: &'a PhoneLog,
    /// What else the transaction changes.
    pub change: LogChange<'a>,
    /// The time.
    pub now: Timestamp,
    /// The client request token, which makes retries of the transaction idempotent (FLT-02).
    pub token: AttemptId,
}

/// What a transaction changes besides the number's log.
#[derive(Debug)]
pub enum LogChange<'a> {
    /// Reserve a message: write its challenge and charge the budgets.
    Reserve(&'a Challenge, &'a Policy),
    /// Take over a reserved message: write the new challenge and delete the earlier one.
    TakeOver(&'a Challenge, ChallengeId),
    /// Change only the state of the message.
    Mark,
    /// Withdraw a message that was definitely not sent: delete its challenge. The budgets stay charged (FLT-09).
    Withdraw(&'a Challenge),
}

/// The outcome of a [`LogWrite`].
#[derive(Debug)]
pub enum LogOutcome {
    /// Everything was written.
    Written,
    /// Version conflict: nothing was written. Carries the current log.
    Changed(PhoneLog),
    /// Nothing was written: a shared budget is used up.
    OverBudget(OverBudget),
    /// Nothing was written: another transaction on the same items is in progress.
    Conflict,
}

impl LogWrite<'_> {
    /// The windows of the charged budgets, in the order of the transaction's writes.
    fn budgets(&self) -> Vec<Window> {
        let (hour, day) = (Window::hour(self.now), Window::day(self.now));
        match self.change {
            LogChange::Reserve(..) => vec![hour, day, day],
            LogChange::TakeOver(..) | LogChange::Mark | LogChange::Withdraw(_) => Vec::new(),
        }
    }
}

/// An amount to charge to a budget, on condition that it stays within its limit.
struct Charge {
    budget: Item,
    amount: u64,
    limit: u64,
    window: Window,
}

impl Store {
    /// The log of a number, read consistently.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read or the item is invalid.
    pub async fn phone_log(&self, phone: &PhoneMacs) -> Result<Option<PhoneLog>, StoreError> {
        let item = self.table.read("read a phone log", schema::number_key(&phone.number)).await?;
        item.map(|item| item::to_phone_log(&item)).transpose()
    }

    /// Writes a change of a number's log: one transaction, all or nothing.
    ///
    /// If `seen` is empty, the write succeeds only if the number was sent nothing for a day.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the outcome is unknown.
    pub async fn write_phone_log(&self, write: &LogWrite<'_>) -> Result<LogOutcome, StoreError> {
        let writes = self.writes(write).map_err(|_| StoreError::Corrupt("phone log"))?;
        let transaction = self
            .table
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .client_request_token(write.token.bare());
        let Err(error) = transaction.send().await else { return Ok(LogOutcome::Written) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                self::canceled(canceled.cancellation_reasons(), &write.budgets())
                    .unwrap_or_else(|| Err(error::unavailable("write a phone log", &error)))
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(LogOutcome::Conflict),
            _ => Err(error::unavailable("write a phone log", &error)),
        }
    }

    /// The log first, then the budgets, then the challenges. [`canceled`] depends on this order.
    fn writes(&self, write: &LogWrite<'_>) -> Result<Vec<TransactWriteItem>, BuildError> {
        let mut writes = vec![TransactWriteItem::builder().update(self.put_log(write)?).build()];
        match write.change {
            LogChange::Reserve(challenge, policy) => {
                for charge in self.charges(write, challenge.environment, policy) {
                    writes.push(TransactWriteItem::builder().update(charge?).build());
                }
                writes.push(self.put_challenge(challenge)?);
            }
            LogChange::TakeOver(challenge, earlier) => {
                writes.push(self.put_challenge(challenge)?);
                writes.push(self.delete_challenge(challenge.environment, earlier)?);
            }
            LogChange::Mark => {}
            LogChange::Withdraw(challenge) => {
                writes.push(self.delete_challenge(challenge.environment, challenge.id)?);
            }
        }
        Ok(writes)
    }

    fn put_challenge(&self, challenge: &Challenge) -> Result<TransactWriteItem, BuildError> {
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item::from_challenge(challenge)))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", attr::PK)
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete_challenge(
        &self,
        environment: EnvironmentId,
        id: ChallengeId,
    ) -> Result<TransactWriteItem, BuildError> {
        let key = schema::challenge_key(environment, id);
        let delete = Delete::builder().table_name(&self.table.name).set_key(Some(key)).build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// The charges for one message: to the range of numbers, the environment and the deployment.
    fn charges(
        &self,
        LogWrite { phone, now, .. }: &LogWrite<'_>,
        environment: EnvironmentId,
        policy: &Policy,
    ) -> [Result<Update, BuildError>; 3] {
        let (hour, day) = (Window::hour(*now), Window::day(*now));
        let price = policy.sms_max_price.0;
        let (environment_limit, deployment_limit) =
            (policy.sms_environment_daily_budget.0, policy.sms_daily_budget.0);
        let environment_day = schema::environment_day_key(environment, day.number);
        let deployment_day = schema::deployment_day_key(day.number);
        let prefix_hour = schema::prefix_key(&phone.prefix, hour.number);
        [
            Charge { budget: prefix_hour, amount: 1, limit: MAX_SMS_PER_PREFIX.into(), window: hour },
            Charge { budget: environment_day, amount: price, limit: environment_limit, window: day },
            Charge { budget: deployment_day, amount: price, limit: deployment_limit, window: day },
        ]
        .map(|charge| self.charge(charge))
    }

    /// The update of the log, on condition that it has not changed.
    fn put_log(&self, LogWrite { phone, seen, next, now, .. }: &LogWrite<'_>) -> Result<Update, BuildError> {
        let written = item::from_phone_log(next);
        let mut names: Vec<String> = written.keys().map(|name| format!("#{name} = :{name}")).collect();
        names.sort(); // A retried transaction must be byte for byte the same.
        let condition = if seen.version == 0 {
            "attribute_not_exists(#pk) OR #last_send <= :day_ago"
        } else {
            "#version = :seen"
        };
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(schema::number_key(&phone.number)))
            .update_expression(format!("SET {}", names.join(", ")))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(AllOld);
        let update = if seen.version == 0 {
            let day_ago = now.minus(SMS_DAY).millis();
            update
                .expression_attribute_names("#pk", attr::PK)
                .expression_attribute_values(":day_ago", item::number(day_ago))
        } else {
            update.expression_attribute_values(":seen", item::number(seen.version))
        };
        written
            .into_iter()
            .fold(update, |update, (name, value)| {
                update
                    .expression_attribute_values(format!(":{name}"), value)
                    .expression_attribute_names(format!("#{name}"), name)
            })
            .build()
    }

    fn charge(&self, charge: Charge) -> Result<Update, BuildError> {
        let Charge { budget, amount, limit, window } = charge;
        // If a single message costs more than the budget, the condition must never hold.
        let condition = match limit.checked_sub(amount) {
            Some(_) => "attribute_not_exists(#used) OR #used <= :room",
            None => "attribute_exists(#used) AND #used < :room",
        };
        Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(budget))
            .update_expression("SET #ttl = :ttl ADD #used :amount")
            .condition_expression(condition)
            .expression_attribute_names("#used", attr::USED)
            .expression_attribute_names("#ttl", attr::TTL)
            .expression_attribute_values(":amount", item::number(amount))
            .expression_attribute_values(":room", item::number(limit.saturating_sub(amount)))
            // Later than the end of the window, so that TTL never deletes a budget in use (EXP-07).
            .expression_attribute_values(":ttl", item::number(window.ends_at.plus(SMS_DAY).seconds()))
            .build()
    }
}

/// The outcome of a cancelled transaction: the first failed condition, otherwise a conflict.
fn canceled(reasons: &[CancellationReason], budgets: &[Window]) -> Option<Result<LogOutcome, StoreError>> {
    let condition_failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let conflicted = |reason: &CancellationReason| reason.code() == Some("TransactionConflict");
    let Some(at) = reasons.iter().position(condition_failed) else {
        return reasons.iter().any(conflicted).then_some(Ok(LogOutcome::Conflict));
    };
    let Some(at) = at.checked_sub(1) else {
        return Some(reasons.first()?.item().map(item::to_phone_log)?.map(LogOutcome::Changed));
    };
    Some(Ok(LogOutcome::OverBudget(OverBudget { retry_at: budgets.get(at)?.ends_at })))
}
