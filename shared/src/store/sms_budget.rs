//! The budgets of text messages: reserved together with the challenge, in one transaction, before anything is sent.

use super::item::{self, Item};
use super::schema::{self, attr};
use super::{Store, StoreError, error};
use crate::domain::challenge::Challenge;
use crate::domain::id::AttemptId;
use crate::domain::policy::{PHONE_DAY, PREFIX_SENDS, Policy};
use crate::domain::sms_budget::{OverBudget, PhoneLog, Window};
use crate::domain::time::Timestamp;
use crate::seal::PhoneMacs;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update,
};

/// One message that is about to be sent.
#[derive(Debug)]
pub struct Reservation<'a> {
    /// The challenge whose code it carries.
    pub challenge: &'a Challenge,
    /// The number it goes to.
    pub phone: PhoneMacs,
    /// The number's log as it was read; the empty log, if it was not.
    pub seen: &'a PhoneLog,
    /// The log with the message in it.
    pub next: &'a PhoneLog,
    /// The limits.
    pub policy: &'a Policy,
    /// The time.
    pub now: Timestamp,
    /// Names the reservation: a repeated one is the same one (FLT-02).
    pub token: AttemptId,
}

/// What became of a reservation.
#[derive(Debug)]
pub enum Reserved {
    /// It was written, with the challenge: the message may be sent.
    Granted,
    /// It was not: the number was sent messages that were not seen. This is its log as it is now.
    Changed(PhoneLog),
    /// It was not: a budget the number shares with others is used up.
    OverBudget(OverBudget),
    /// It was not: others were reserving at the same moment.
    Conflict,
}

impl Store {
    /// Writes a challenge and charges all its message's budgets, or does nothing: one transaction.
    ///
    /// The log of a number need not be read before: an empty one is taken to mean that the number was sent nothing for
    /// a day, and the answer has the log if that is not so.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if nobody knows what became of it.
    pub async fn reserve_sms(&self, reservation: &Reservation<'_>) -> Result<Reserved, StoreError> {
        let writes = self.writes(reservation).map_err(|_| StoreError::Corrupt("reservation"))?;
        let transaction = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .client_request_token(reservation.token.bare());
        let Err(error) = transaction.send().await else { return Ok(Reserved::Granted) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                refusal(canceled.cancellation_reasons(), reservation)
                    .unwrap_or_else(|| Err(error::unavailable("reserve a message", &error)))
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(Reserved::Conflict),
            _ => Err(error::unavailable("reserve a message", &error)),
        }
    }

    /// Takes back a challenge whose message was certainly not sent. What it was charged stays charged (FLT-09).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if nobody knows whether it was taken back.
    pub async fn withdraw(&self, challenge: &Challenge) -> Result<(), StoreError> {
        self.delete("withdraw challenge", schema::challenge_key(challenge.environment, challenge.id)).await
    }

    /// The challenge and the four budgets, in the order [`refusal`] reads their fates in.
    fn writes(&self, reservation: &Reservation<'_>) -> Result<Vec<TransactWriteItem>, BuildError> {
        let Reservation { challenge, phone, policy, now, .. } = reservation;
        let (hour, day) = (Window::hour(*now), Window::day(*now));
        let price = policy.sms_max_price.0;
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::from_challenge(challenge)))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", attr::PK)
            .build()?;
        let environment = schema::environment_day_key(challenge.environment, day.number);
        let environment_budget = policy.sms_environment_daily_budget.0;
        let deployment = schema::deployment_day_key(day.number);
        [
            self.log(reservation),
            self.charge(schema::prefix_key(&phone.prefix, hour.number), 1, PREFIX_SENDS.into(), hour),
            self.charge(environment, price, environment_budget, day),
            self.charge(deployment, price, policy.sms_daily_budget.0, day),
        ]
        .into_iter()
        .map(|update| Ok(TransactWriteItem::builder().update(update?).build()))
        .chain([Ok(TransactWriteItem::builder().put(put).build())])
        .collect()
    }

    /// Writes the number's log over the one that was seen.
    fn log(
        &self,
        Reservation { phone, seen, next, now, .. }: &Reservation<'_>,
    ) -> Result<Update, BuildError> {
        let written = item::from_phone_log(next);
        let mut names: Vec<String> = written.keys().map(|name| format!("#{name} = :{name}")).collect();
        names.sort(); // A repeated transaction must be the same text.
        let condition = if seen.version == 0 {
            "attribute_not_exists(#pk) OR #last_send <= :day_ago"
        } else {
            "#version = :seen"
        };
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(schema::number_key(&phone.number)))
            .update_expression(format!("SET {}", names.join(", ")))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(AllOld);
        let update = if seen.version == 0 {
            let day_ago = now.minus(PHONE_DAY).millis();
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

    /// Adds `amount` to what a window has used, if that stays within `limit`.
    fn charge(&self, key: Item, amount: u64, limit: u64, window: Window) -> Result<Update, BuildError> {
        // A message dearer than the whole budget never fits: the condition compares with what must be free before.
        let condition = match limit.checked_sub(amount) {
            Some(_) => "attribute_not_exists(#used) OR #used <= :room",
            None => "attribute_exists(#used) AND #used < :room",
        };
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression("SET #ttl = :ttl ADD #used :amount")
            .condition_expression(condition)
            .expression_attribute_names("#used", attr::USED)
            .expression_attribute_names("#ttl", attr::TTL)
            .expression_attribute_values(":amount", item::number(amount))
            .expression_attribute_values(":room", item::number(limit.saturating_sub(amount)))
            // Longer than the window, so that no collection of garbage empties a budget (EXP-07).
            .expression_attribute_values(":ttl", item::number(window.ends_at.plus(PHONE_DAY).seconds()))
            .build()
    }
}

/// Why a transaction was cancelled: the first budget that refused, else a conflict with another one.
fn refusal(
    reasons: &[CancellationReason],
    reservation: &Reservation<'_>,
) -> Option<Result<Reserved, StoreError>> {
    let refused = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let over = |window: Window| Some(Ok(Reserved::OverBudget(OverBudget { retry_at: window.ends_at })));
    match reasons.iter().position(refused) {
        Some(0) => {
            let log = reasons.first()?.item().map(item::to_phone_log)?;
            Some(log.map(Reserved::Changed))
        }
        Some(1) => over(Window::hour(reservation.now)),
        Some(2 | 3) => over(Window::day(reservation.now)),
        Some(_) => None,
        None => reasons
            .iter()
            .any(|reason| reason.code() == Some("TransactionConflict"))
            .then_some(Ok(Reserved::Conflict)),
    }
}
