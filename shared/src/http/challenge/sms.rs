//! Challenges by SMS. A 201 means that SNS accepted the message.
//!
//! Each step is recorded before the next one starts, so that a retry of the same request, after a lost response, an
//! error or a crash, can determine what it may do (`domain/phone_log.rs`).

use super::{ChallengeServices, new_challenge};
use crate::domain::challenge::Challenge;
use crate::domain::factor::Factor;
use crate::domain::id::AttemptId;
use crate::domain::phone::Phone;
use crate::domain::phone_log::{MessageRequest, MessageState, NextStep, PhoneLog, PhoneMacs};
use crate::domain::sms_text::SmsTemplate;
use crate::http::call::Call;
use crate::http::error::Error;
use crate::http::extract::Fields;
use crate::store::{LogChange, LogOutcome, LogWrite, StoreError};
use rand::RngExt as _;
use std::time::Duration;

/// Maximum number of tries of a transaction while other transactions on the same items are in progress (FLT-06).
pub const MAX_LOG_WRITE_TRIES: usize = 4;

/// The longest random pause between two tries.
const MAX_LOG_WRITE_PAUSE: Duration = Duration::from_millis(80);

/// Maximum number of steps from reserving a message to sending it, while retries of the same request interfere. Without
/// interference there are two: reserve, and mark as tried.
const MAX_MESSAGE_STEPS: usize = 6;

/// The parameters of a challenge by SMS.
pub(super) struct SmsRequest<'a> {
    pub(super) factor: &'a Factor,
    pub(super) phone: &'a Phone,
    pub(super) idempotency_key: Option<&'a str>,
}

pub(super) async fn challenge(
    call: &Call<ChallengeServices>,
    SmsRequest { factor, phone, idempotency_key }: SmsRequest<'_>,
    mut fields: Fields,
) -> Result<Challenge, Error> {
    let template = fields.optional("sms_template", SmsTemplate::parse);
    let template = fields.check(Some(template))?.unwrap_or_else(|| call.services.sms.template().clone());
    if !call.core.policy.sms_countries.allow(phone.country()) {
        return Err(Error::PhoneNotSupported);
    }
    let seal = call.seal().await?;
    let key = idempotency_key.map(|key| seal.request(key, factor.id)).transpose()?;
    let (challenge, code) = new_challenge(&call.core, &seal, factor)?;
    let request = MessageRequest { challenge: challenge.id, key };
    let message = Message { call, factor, phone: seal.phone(phone)?, challenge: &challenge, request };
    match message.claim().await? {
        Claim::Earlier(challenge) => Ok(challenge),
        Claim::Own(log) => {
            message.send(&log, phone, &template.render(&code)).await?;
            Ok(challenge)
        }
    }
}

/// A message for a request.
struct Message<'a> {
    call: &'a Call<ChallengeServices>,
    factor: &'a Factor,
    phone: PhoneMacs,
    challenge: &'a Challenge,
    request: MessageRequest,
}

/// The right to send a message, or the result of an earlier attempt.
enum Claim {
    /// This request may send the message. Carries the number's log, in which the message is marked as tried.
    Own(PhoneLog),
    /// An earlier attempt of the same request sent the message. Carries its challenge.
    Earlier(Challenge),
}

impl Message<'_> {
    /// Reserves the message and marks it as tried, or finds the result of an earlier attempt of the same request.
    async fn claim(&self) -> Result<Claim, Error> {
        let Self { call, challenge, request, .. } = self;
        let core = &call.core;
        // Assumes an empty log first, because most numbers were sent nothing for a day.
        let mut log = PhoneLog::default();
        for _ in 0..MAX_MESSAGE_STEPS {
            let now = core.now();
            let (next, change) = match log.next_step(request, now)? {
                NextStep::Reserve => {
                    (log.reserve(*request, now), LogChange::Reserve(challenge, &core.policy))
                }
                NextStep::TakeOver { from } => {
                    (log.take_over(*request, now), LogChange::TakeOver(challenge, from))
                }
                NextStep::Try => (log.mark(MessageState::Tried), LogChange::Mark),
                NextStep::Publish => return Ok(Claim::Own(log)),
                NextStep::Repeat { challenge, otherwise } => {
                    let finished = self.factor.guard.is_finished(challenge);
                    let earlier = core.store.challenge(self.factor.environment, challenge).await?;
                    let open = earlier.filter(|earlier| !finished && earlier.is_open(now));
                    return open.map(Claim::Earlier).ok_or(otherwise.into());
                }
                NextStep::Wait => return Err(Error::outcome_pending()),
            };
            log = self.write(&log, next, change).await?;
        }
        Err(Error::busy())
    }

    /// Sends the message once and records the outcome.
    async fn send(&self, log: &PhoneLog, phone: &Phone, text: &str) -> Result<(), Error> {
        let price = self.call.core.policy.sms_max_price;
        let Err(error) = self.call.services.sms.send(phone, text, price).await else {
            self.call.trail.sent();
            if let Err(error) = self.write(log, log.mark(MessageState::Sent), LogChange::Mark).await {
                // SNS accepted the message, so the request succeeds. A retry of the request is answered 503 instead of
                // 201.
                tracing::warn!(?error, "a sent message could not be marked as sent");
            }
            return Ok(());
        };
        if error.is_definite() {
            let change = LogChange::Withdraw(self.challenge);
            self.write(log, log.mark(MessageState::Reserved), change).await?;
        }
        Err(Error::not_sent(error, phone))
    }

    /// Replaces the log `seen` with `next`, and returns the current log: `next`, or what another request wrote in the
    /// meantime.
    async fn write(&self, seen: &PhoneLog, next: PhoneLog, change: LogChange<'_>) -> Result<PhoneLog, Error> {
        let Self { call: Call { core, trail, .. }, phone, .. } = self;
        let (now, mut rng) = (core.now(), core.rng()?);
        let charges = matches!(change, LogChange::Reserve(..));
        let write =
            LogWrite { phone: *phone, seen, next: &next, change, now, token: AttemptId::new(now, &mut rng) };
        for _ in 0..MAX_LOG_WRITE_TRIES {
            let written = match core.store.write_phone_log(&write).await {
                Ok(LogOutcome::Changed(log)) => return Ok(log),
                Ok(LogOutcome::OverBudget(over)) => return Err(over.into()),
                Ok(LogOutcome::Conflict) => false,
                Ok(LogOutcome::Written) => true,
                // The outcome is unknown. Re-read the log to find out.
                Err(error @ StoreError::Unavailable { .. }) => {
                    if core.store.phone_log(phone).await?.as_ref() != Some(&next) {
                        return Err(error.into());
                    }
                    true
                }
                Err(error) => return Err(error.into()),
            };
            if written {
                if charges {
                    trail.charged(core.policy.sms_max_price);
                }
                return Ok(next);
            }
            tokio::time::sleep(MAX_LOG_WRITE_PAUSE.mul_f64(rng.random())).await;
        }
        Err(Error::busy())
    }
}
