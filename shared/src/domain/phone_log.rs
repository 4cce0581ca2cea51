//! The log of messages sent to a phone number, and the next step of a request for another message.
//!
//! A number has one log for all factors, users and environments of a deployment, so that SMS pumping through many of
//! them is subject to one limit.
//!
//! A message has three states, each written before the next step: *reserved* (the budgets are charged and the challenge
//! is written), *tried* (it may have been handed to SNS) and *sent* (SNS accepted it). When a request is retried with
//! the same idempotency key, as the SDKs do after a lost response, the state determines what the retry may do.

use super::id::ChallengeId;
use super::policy::{
    MAX_SMS_PER_10_MIN, MAX_SMS_PER_DAY, SMS_COOLDOWN, SMS_DAY, SMS_OUTCOME_TIMEOUT, SMS_WINDOW,
};
use super::sms_budget::OverBudget;
use super::time::Timestamp;
use std::time::Duration;

/// The messages sent to a phone number within the last day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneLog {
    /// The number of writes, for optimistic locking: a write succeeds only if the stored version is the one that was
    /// read.
    pub version: u64,
    /// Times of the reservations, oldest first.
    pub sends: Vec<Timestamp>,
    /// The newest message.
    pub last: Option<LastMessage>,
}

/// The newest message to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastMessage {
    /// The request that it belongs to.
    pub request: MessageRequest,
    /// Its state.
    pub state: MessageState,
}

/// The state of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// The budgets are charged. The message was definitely not handed to SNS.
    Reserved,
    /// The message may have been handed to SNS.
    Tried,
    /// SNS accepted the message.
    Sent,
}

/// Keyed MACs that stand for a phone number and its range in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneMacs {
    /// MAC of the number.
    pub number: [u8; 32],
    /// MAC of its first eight digits.
    pub prefix: [u8; 32],
}

/// A keyed MAC of an idempotency key, bound to the environment and factor of the request (see `vault/seal.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestMac(pub [u8; 32]);

/// A request for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRequest {
    /// The challenge whose code the message contains. Every request has its own, including retries.
    pub challenge: ChallengeId,
    /// The idempotency key, if the request has one.
    pub key: Option<RequestMac>,
}

/// The next step of a request for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Charge the budgets and write the challenge.
    Reserve,
    /// Take over the reservation of an earlier attempt of the same request, which definitely did not send the message.
    /// Mark it as tried in the same write, so that only one retry takes it over. The budgets are not charged again.
    TakeOver {
        /// The challenge of the earlier attempt.
        from: ChallengeId,
    },
    /// Mark this request's own reservation as tried.
    Try,
    /// Hand the message to SNS: this request has marked it as tried.
    Publish,
    /// An earlier attempt of the same request sent the message. Return the same challenge, if it can still be verified.
    Repeat {
        /// The challenge of that message.
        challenge: ChallengeId,
        /// The error if the challenge cannot be verified any more.
        otherwise: OverBudget,
    },
    /// Fail with a 503: an earlier attempt of the same request may be handing the message to SNS right now.
    Wait,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Reserved, Self::Tried, Self::Sent];

    /// The name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Tried => "tried",
            Self::Sent => "sent",
        }
    }

    /// Parses a name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}

impl PhoneLog {
    /// The next step of `request`, given the current log.
    ///
    /// # Errors
    ///
    /// [`OverBudget`] if no message may be sent for now.
    pub fn next_step(&self, request: &MessageRequest, now: Timestamp) -> Result<NextStep, OverBudget> {
        if let Some(own) = self.last.filter(|last| last.request.challenge == request.challenge) {
            return Ok(if own.state == MessageState::Reserved { NextStep::Try } else { NextStep::Publish });
        }
        let Err(over) = self.admit(now) else { return Ok(NextStep::Reserve) };
        let repeated = self.last.filter(|last| request.key.is_some() && last.request.key == request.key);
        let Some(LastMessage { request: MessageRequest { challenge, .. }, state }) = repeated else {
            return Err(over);
        };
        match state {
            MessageState::Reserved => Ok(NextStep::TakeOver { from: challenge }),
            MessageState::Sent => Ok(NextStep::Repeat { challenge, otherwise: over }),
            MessageState::Tried if self.is_outcome_pending(now) => Ok(NextStep::Wait),
            MessageState::Tried => Err(over),
        }
    }

    /// Whether another message may be reserved at `now`.
    ///
    /// # Errors
    ///
    /// [`OverBudget`] during the cooldown (30 s, then 60 s, 120 s … within ten minutes), after five messages in ten
    /// minutes, or after ten in a day.
    pub fn admit(&self, now: Timestamp) -> Result<(), OverBudget> {
        let retry_times = [
            self.cooldown_ends_at(now),
            self.window_frees_at(MAX_SMS_PER_10_MIN, SMS_WINDOW),
            self.window_frees_at(MAX_SMS_PER_DAY, SMS_DAY),
        ];
        match retry_times.into_iter().flatten().max() {
            Some(retry_at) if now < retry_at => Err(OverBudget { retry_at }),
            _ => Ok(()),
        }
    }

    /// The log after reserving a message for `request`.
    #[must_use]
    pub fn reserve(&self, request: MessageRequest, now: Timestamp) -> Self {
        let recent = self.sends.iter().copied().filter(|sent| now < sent.plus(SMS_DAY));
        let last = LastMessage { request, state: MessageState::Reserved };
        self.next_version(recent.chain([now]).collect(), last)
    }

    /// The log after `request` has taken over the newest message. The cooldown starts at `now`.
    #[must_use]
    pub fn take_over(&self, request: MessageRequest, now: Timestamp) -> Self {
        let earlier = self.sends.iter().copied().take(self.sends.len().saturating_sub(1));
        let last = LastMessage { request, state: MessageState::Tried };
        self.next_version(earlier.chain([now]).collect(), last)
    }

    /// The log with the newest message in this state.
    #[must_use]
    pub fn mark(&self, state: MessageState) -> Self {
        let last = self.last.map(|last| LastMessage { state, ..last });
        Self { version: self.version.saturating_add(1), last, ..self.clone() }
    }

    fn next_version(&self, sends: Vec<Timestamp>, last: LastMessage) -> Self {
        Self { version: self.version.saturating_add(1), sends, last: Some(last) }
    }

    /// Whether the request that is sending the newest message may still be running.
    fn is_outcome_pending(&self, now: Timestamp) -> bool {
        self.sends.last().is_some_and(|tried| now < tried.plus(SMS_OUTCOME_TIMEOUT))
    }

    /// When the cooldown ends. It doubles with every message of the last ten minutes.
    fn cooldown_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        let recent = self.sends.iter().filter(|sent| now < sent.plus(SMS_WINDOW)).count();
        let doublings = u32::try_from(recent.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = SMS_COOLDOWN.saturating_mul(2_u32.checked_pow(doublings).unwrap_or(u32::MAX));
        self.sends.last().map(|sent| sent.plus(wait.min(SMS_WINDOW)))
    }

    /// When the oldest of the last `limit` messages leaves the window, if there are that many.
    fn window_frees_at(&self, limit: usize, window: Duration) -> Option<Timestamp> {
        let oldest = self.sends.len().checked_sub(limit)?;
        self.sends.get(oldest).map(|sent| sent.plus(window))
    }
}

#[cfg(test)]
mod tests;
