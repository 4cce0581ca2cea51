//! The log of a phone number's messages. Every change of it is one transaction, together with what must change with it:
//! the shared budgets and the challenge.

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
    /// The log as it was read; the empty log, if it was not.
    pub seen: &'a PhoneLog,
    /// The log as it shall be.
    pub next: &'a PhoneLog,
    /// What changes with it.
    pub change: LogChange<'a>,
    /// The time.
    pub now: Timestamp,
    /// Names the transaction: the same one sent twice is carried out once (FLT-02).
    pub token: AttemptId,
}

/// What changes together with a number's log.
#[derive(Debug)]
pub enum LogChange<'a> {
    /// A message is reserved: its challenge is written, and the shared budgets are charged.
    Reserve(&'a Challenge, &'a Policy),
    /// A reserved message is sent for another challenge: that is written, and the earlier one deleted.
    TakeOver(&'a Challenge, ChallengeId),
    /// The message has come further.
    Mark,
    /// The message was certainly not sent: its challenge is deleted. What it was charged stays charged (FLT-09).
    Withdraw(&'a Challenge),
}

/// The outcome of a [`LogWrite`].
#[derive(Debug)]
pub enum LogWritten {
    /// All of it was written.
    Written,
    /// Nothing was: the log is not the one that was read. This is the log as it stands.
    Changed(PhoneLog),
    /// Nothing was: a budget the number shares with others is used up.
    OverBudget(OverBudget),
    /// Nothing was: another transaction on the same items is in progress.
    Conflict,
}

impl LogWrite<'_> {
    /// The windows of the shared budgets it charges, in the order it charges them in.
    fn budgets(&self) -> Vec<Window> {
        let (hour, day) = (Window::hour(self.now), Window::day(self.now));
        match self.change {
            LogChange::Reserve(..) => vec![hour, day, day],
            LogChange::TakeOver(..) | LogChange::Mark | LogChange::Withdraw(_) => Vec::new(),
        }
    }
}

/// An amount to add to what a budget has used, if that stays within its limit.
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
    /// [`StoreError`] if the table cannot be read or the item makes no sense.
    pub async fn phone_log(&self, phone: &PhoneMacs) -> Result<Option<PhoneLog>, StoreError> {
        let item = self.table.read("read a phone log", schema::number_key(&phone.number)).await?;
        item.map(|item| item::to_phone_log(&item)).transpose()
    }

    /// Changes the log of a number and what belongs to the change, or nothing: one transaction.
    ///
    /// The log need not be read before: an empty one is taken to mean that the number was sent nothing for a day, and the
    /// outcome has the log if that is not so.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the outcome is unknown.
    pub async fn write_phone_log(&self, write: &LogWrite<'_>) -> Result<LogWritten, StoreError> {
        let writes = self.writes(write).map_err(|_| StoreError::Corrupt("phone log"))?;
        let transaction = self
            .table
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .client_request_token(write.token.bare());
        let Err(error) = transaction.send().await else { return Ok(LogWritten::Written) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                refusal(canceled.cancellation_reasons(), &write.budgets())
                    .unwrap_or_else(|| Err(error::unavailable("write a phone log", &error)))
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(LogWritten::Conflict),
            _ => Err(error::unavailable("write a phone log", &error)),
        }
    }

    /// The log first, then the budgets, in the order [`refusal`] reads the reasons in, then the challenges.
    fn writes(&self, write: &LogWrite<'_>) -> Result<Vec<TransactWriteItem>, BuildError> {
        let mut writes = vec![TransactWriteItem::builder().update(self.log(write)?).build()];
        match write.change {
            LogChange::Reserve(challenge, policy) => {
                for charge in self.charges(write, challenge.environment, policy) {
                    writes.push(TransactWriteItem::builder().update(charge?).build());
                }
                writes.push(self.new_challenge(challenge)?);
            }
            LogChange::TakeOver(challenge, earlier) => {
                writes.push(self.new_challenge(challenge)?);
                writes.push(self.no_challenge(challenge.environment, earlier)?);
            }
            LogChange::Mark => {}
            LogChange::Withdraw(challenge) => {
                writes.push(self.no_challenge(challenge.environment, challenge.id)?);
            }
        }
        Ok(writes)
    }

    fn new_challenge(&self, challenge: &Challenge) -> Result<TransactWriteItem, BuildError> {
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item::from_challenge(challenge)))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", attr::PK)
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn no_challenge(
        &self,
        environment: EnvironmentId,
        id: ChallengeId,
    ) -> Result<TransactWriteItem, BuildError> {
        let key = schema::challenge_key(environment, id);
        let delete = Delete::builder().table_name(&self.table.name).set_key(Some(key)).build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Charges the range of numbers, the environment and the deployment for one message.
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

    /// Writes the number's log over the one that was read.
    fn log(&self, LogWrite { phone, seen, next, now, .. }: &LogWrite<'_>) -> Result<Update, BuildError> {
        let written = item::from_phone_log(next);
        let mut names: Vec<String> = written.keys().map(|name| format!("#{name} = :{name}")).collect();
        names.sort(); // A repeated transaction must be the same text.
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
        // A message dearer than the whole budget never fits: the condition compares with what must be free before.
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
            // Longer than the window, so that no collection of garbage empties a budget (EXP-07).
            .expression_attribute_values(":ttl", item::number(window.ends_at.plus(SMS_DAY).seconds()))
            .build()
    }
}

/// Why a transaction was cancelled: the first condition that did not hold, else a conflict with another transaction.
fn refusal(reasons: &[CancellationReason], budgets: &[Window]) -> Option<Result<LogWritten, StoreError>> {
    let refused = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let conflicted = |reason: &CancellationReason| reason.code() == Some("TransactionConflict");
    let Some(at) = reasons.iter().position(refused) else {
        return reasons.iter().any(conflicted).then_some(Ok(LogWritten::Conflict));
    };
    let Some(at) = at.checked_sub(1) else {
        return Some(reasons.first()?.item().map(item::to_phone_log)?.map(LogWritten::Changed));
    };
    Some(Ok(LogWritten::OverBudget(OverBudget { retry_at: budgets.get(at)?.ends_at })))
}
