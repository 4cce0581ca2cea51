//! The messages a phone number was sent, and what a request for one more may do next.
//!
//! A number has one log for all factors, users and environments of a deployment, so that messages pumped to it through
//! many of them share one limit.
//!
//! A message goes through three states, each written before the step after it: *reserved* (its budgets are charged and its
//! challenge is written), *tried* (from now on it may have been handed to SNS), *sent* (SNS took it). A request that is
//! repeated with the same idempotency key, as the SDKs do after a lost answer, learns from the state what it may do.

use super::id::ChallengeId;
use super::policy::{
    MAX_SMS_PER_10_MIN, MAX_SMS_PER_DAY, SMS_COOLDOWN, SMS_DAY, SMS_OUTCOME_TIMEOUT, SMS_WINDOW,
};
use super::sms_budget::OverBudget;
use super::time::Timestamp;
use std::time::Duration;

/// The messages a phone number was sent in the last day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneLog {
    /// Number of writes so far. A write succeeds only over the version it was decided on.
    pub version: u64,
    /// When messages were reserved, oldest first.
    pub sends: Vec<Timestamp>,
    /// The newest message.
    pub last: Option<LastMessage>,
}

/// The newest message of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastMessage {
    /// The request it is sent for.
    pub request: MessageRequest,
    /// How far it has come.
    pub state: MessageState,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// Its budgets are charged. It was certainly not handed to SNS.
    Reserved,
    /// It may have been handed to SNS.
    Tried,
    /// SNS took it.
    Sent,
}

/// What the budgets know a phone number and its range by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneMacs {
    /// The number.
    pub number: [u8; 32],
    /// Its first eight digits.
    pub prefix: [u8; 32],
}

/// A keyed MAC of an idempotency key, bound to the environment and the factor it came for (see `vault/seal.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestMac(pub [u8; 32]);

/// A request for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRequest {
    /// The challenge whose code the message carries. Every request makes its own, a repeated one too.
    pub challenge: ChallengeId,
    /// The idempotency key, if it has one.
    pub key: Option<RequestMac>,
}

/// What a request for a message has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Reserve: charge the budgets and write the challenge.
    Reserve,
    /// Take over what an earlier attempt of the same request reserved and certainly did not send, and mark it as tried in
    /// the same write, so that it is taken over once. Nothing is charged again.
    TakeOver {
        /// The challenge of the earlier attempt.
        from: ChallengeId,
    },
    /// The reservation is this request's own. Mark it as tried.
    Try,
    /// This request marked it as tried. Hand it to SNS.
    Publish,
    /// The same request had its message sent. Answer with the same challenge, if it can still be verified.
    Repeat {
        /// The challenge of that message.
        challenge: ChallengeId,
        /// The answer if it cannot.
        otherwise: OverBudget,
    },
    /// An earlier attempt of the same request may be handing it to SNS at this moment. The outcome is known soon.
    Wait,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Reserved, Self::Tried, Self::Sent];

    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Tried => "tried",
            Self::Sent => "sent",
        }
    }

    /// Reads a name; `None` for anything but a state's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}

impl PhoneLog {
    /// What `asked` has to do next, given the log as it stands.
    ///
    /// # Errors
    ///
    /// [`OverBudget`] if no message may be sent before a later moment.
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

    /// Whether another message may be reserved.
    ///
    /// # Errors
    ///
    /// [`OverBudget`] inside the cooldown (30 s, then 60 s, 120 s … within ten minutes), after five messages in ten
    /// minutes, or after ten in a day.
    pub fn admit(&self, now: Timestamp) -> Result<(), OverBudget> {
        let room_at = [
            self.cooled_at(now),
            self.room_at(MAX_SMS_PER_10_MIN, SMS_WINDOW),
            self.room_at(MAX_SMS_PER_DAY, SMS_DAY),
        ];
        match room_at.into_iter().flatten().max() {
            Some(retry_at) if now < retry_at => Err(OverBudget { retry_at }),
            _ => Ok(()),
        }
    }

    /// The log with one more message in it, reserved for `request`.
    #[must_use]
    pub fn reserve(&self, request: MessageRequest, now: Timestamp) -> Self {
        let recent = self.sends.iter().copied().filter(|sent| now < sent.plus(SMS_DAY));
        let last = LastMessage { request, state: MessageState::Reserved };
        self.rewrite(recent.chain([now]).collect(), last)
    }

    /// The log whose newest message is tried by `request`. It counts from now on, so that the cooldown holds.
    #[must_use]
    pub fn take_over(&self, request: MessageRequest, now: Timestamp) -> Self {
        let earlier = self.sends.iter().copied().take(self.sends.len().saturating_sub(1));
        let last = LastMessage { request, state: MessageState::Tried };
        self.rewrite(earlier.chain([now]).collect(), last)
    }

    /// The log whose newest message has come this far.
    #[must_use]
    pub fn mark(&self, state: MessageState) -> Self {
        let last = self.last.map(|last| LastMessage { state, ..last });
        Self { version: self.version.saturating_add(1), last, ..self.clone() }
    }

    fn rewrite(&self, sends: Vec<Timestamp>, last: LastMessage) -> Self {
        Self { version: self.version.saturating_add(1), sends, last: Some(last) }
    }

    /// Whether the request that tried to send the newest message may still be running.
    fn is_outcome_pending(&self, now: Timestamp) -> bool {
        self.sends.last().is_some_and(|tried| now < tried.plus(SMS_OUTCOME_TIMEOUT))
    }

    /// When the cooldown ends: it doubles with every message of the last ten minutes.
    fn cooled_at(&self, now: Timestamp) -> Option<Timestamp> {
        let spell = self.sends.iter().filter(|sent| now < sent.plus(SMS_WINDOW)).count();
        let doublings = u32::try_from(spell.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = SMS_COOLDOWN.saturating_mul(2_u32.checked_pow(doublings).unwrap_or(u32::MAX));
        self.sends.last().map(|sent| sent.plus(wait.min(SMS_WINDOW)))
    }

    /// When the oldest of the last `limit` messages leaves the window.
    fn room_at(&self, limit: usize, window: Duration) -> Option<Timestamp> {
        let oldest = self.sends.len().checked_sub(limit)?;
        self.sends.get(oldest).map(|sent| sent.plus(window))
    }
}

#[cfg(test)]
mod tests;
