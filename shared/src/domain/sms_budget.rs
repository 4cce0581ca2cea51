//! What may be sent to one phone number, and what may be spent on messages altogether.
//!
//! A number is watched across all factors, users and environments of a deployment: whoever pumps messages to it through
//! many of them shares one budget.

use super::id::ChallengeId;
use super::policy::{
    PHONE_COOLDOWN, PHONE_DAY, PHONE_SENDS_A_DAY, PHONE_SENDS_A_SPELL, PHONE_SPELL, PREFIX_WINDOW,
    SMS_BUDGET_DAY,
};
use super::time::Timestamp;
use std::time::Duration;

/// The messages a phone number was sent in the last day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneLog {
    /// Counts the writes; a write succeeds only over the version it was decided on.
    pub version: u64,
    /// When they were sent, oldest first.
    pub sends: Vec<Timestamp>,
    /// What the last one was sent for.
    pub last: Option<LastSend>,
}

/// What a message was sent for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSend {
    /// The challenge whose code it carries.
    pub challenge: ChallengeId,
    /// The request that asked for it, if it had an idempotency key.
    pub request: Option<RequestMac>,
}

/// A keyed MAC of an idempotency key, bound to the environment and the factor it came for (see `seal.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestMac(pub [u8; 32]);

/// A message would exceed a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no message may be sent before {retry_at}")]
pub struct OverBudget {
    /// When there is room again.
    pub retry_at: Timestamp,
}

impl PhoneLog {
    /// Whether another message may be sent.
    ///
    /// # Errors
    ///
    /// [`OverBudget`] inside the cooldown (30 s, then 60 s, 120 s … within ten minutes), after five messages in ten
    /// minutes, or after ten in a day.
    pub fn admit(&self, now: Timestamp) -> Result<(), OverBudget> {
        let room_at = [
            self.cooled_at(now),
            self.room_at(PHONE_SENDS_A_SPELL, PHONE_SPELL),
            self.room_at(PHONE_SENDS_A_DAY, PHONE_DAY),
        ];
        match room_at.into_iter().flatten().max() {
            Some(retry_at) if now < retry_at => Err(OverBudget { retry_at }),
            _ => Ok(()),
        }
    }

    /// The log with one more message in it.
    #[must_use]
    pub fn with(&self, last: LastSend, now: Timestamp) -> Self {
        let recent = self.sends.iter().copied().filter(|sent| now < sent.plus(PHONE_DAY));
        let sends = recent.chain([now]).collect();
        Self { version: self.version.saturating_add(1), sends, last: Some(last) }
    }

    /// The challenge the same request was answered with before.
    #[must_use]
    pub fn answer_to(&self, request: RequestMac) -> Option<ChallengeId> {
        self.last.as_ref().filter(|last| last.request == Some(request)).map(|last| last.challenge)
    }

    /// When the cooldown ends: it doubles with every message of the last ten minutes.
    fn cooled_at(&self, now: Timestamp) -> Option<Timestamp> {
        let spell = self.sends.iter().filter(|sent| now < sent.plus(PHONE_SPELL)).count();
        let doublings = u32::try_from(spell.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = PHONE_COOLDOWN.saturating_mul(2_u32.checked_pow(doublings).unwrap_or(u32::MAX));
        self.sends.last().map(|sent| sent.plus(wait.min(PHONE_SPELL)))
    }

    /// When the oldest of the last `limit` messages leaves the window.
    fn room_at(&self, limit: usize, window: Duration) -> Option<Timestamp> {
        let oldest = self.sends.len().checked_sub(limit)?;
        self.sends.get(oldest).map(|sent| sent.plus(window))
    }
}

/// The hour and the day a shared budget is counted in: both start on the clock, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its number since 1970.
    pub number: u64,
    /// When the next one starts.
    pub ends_at: Timestamp,
}

impl Window {
    /// The hour a range of numbers is counted in.
    #[must_use]
    pub fn hour(now: Timestamp) -> Self {
        Self::of(now, PREFIX_WINDOW)
    }

    /// The day money is counted in.
    #[must_use]
    pub fn day(now: Timestamp) -> Self {
        Self::of(now, SMS_BUDGET_DAY)
    }

    fn of(now: Timestamp, length: Duration) -> Self {
        let number = now.seconds().checked_div(length.as_secs()).unwrap_or_default();
        let ends_at = Duration::from_secs(number.saturating_add(1).saturating_mul(length.as_secs()));
        Self { number, ends_at: Timestamp::default().plus(ends_at) }
    }
}

/// An amount of US dollars, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// Reads dollars with up to six decimals: `0.10`.
    ///
    /// # Errors
    ///
    /// A rule, if the text is not an amount above zero and up to a million.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be US dollars above 0 and up to 1000000, like 0.10";
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 7 || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
            return Err(RULE);
        }
        let micros: u64 = format!("{whole}{fraction:0<6}").parse().map_err(|_| RULE)?;
        if (1..=1_000_000_000_000).contains(&micros) { Ok(Self(micros)) } else { Err(RULE) }
    }
}

impl std::fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = format!("{:07}", self.0);
        let (whole, fraction) = digits.split_at_checked(digits.len().saturating_sub(6)).unwrap_or_default();
        write!(f, "{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000).unwrap()
    }

    fn last(request: Option<RequestMac>) -> LastSend {
        let mut rng = rand::rngs::StdRng::from_seed([9; 32]);
        LastSend { challenge: ChallengeId::new(at(0), &mut rng), request }
    }

    /// Sends as soon as it may, and says when that was.
    fn send_eagerly(count: usize) -> Vec<i64> {
        let mut log = PhoneLog::default();
        let mut now = at(0);
        let mut sent = Vec::new();
        while sent.len() < count {
            if let Err(OverBudget { retry_at }) = log.admit(now) {
                now = retry_at;
            }
            log = log.with(last(None), now);
            sent.push((now.millis() - at(0).millis()) / 1_000);
        }
        sent
    }

    #[test]
    fn sms_03_the_cooldown_doubles_five_fit_ten_minutes_and_ten_a_day() {
        let day = 24 * 60 * 60;
        assert_eq!(send_eagerly(5), [0, 30, 90, 210, 450]);
        let sent = send_eagerly(12);
        for window in sent.windows(6) {
            assert!(window[5] - window[0] >= 600, "six within ten minutes: {sent:?}");
        }
        assert!(sent[9] < day && sent[10] >= day && sent[11] >= sent[1] + day, "{sent:?}");
    }

    #[test]
    fn a_request_is_known_again_by_its_mac_only() {
        let (own, other) = (RequestMac([1; 32]), RequestMac([2; 32]));
        let log = PhoneLog::default().with(last(Some(own)), at(0));
        assert!(log.answer_to(own).is_some() && log.answer_to(other).is_none());
        assert_eq!(log.with(last(None), at(30)).answer_to(own), None);
    }

    #[test]
    fn windows_start_on_the_clock() {
        let now = at(1);
        assert_eq!(Window::hour(now).ends_at.seconds() % 3_600, 0);
        assert_eq!(Window::day(now).ends_at.seconds() % 86_400, 0);
        assert_eq!(Window::hour(Window::hour(now).ends_at).number, Window::hour(now).number + 1);
    }

    #[test]
    fn dollars_are_read_exactly_and_never_as_zero() {
        for (text, micros) in
            [("0.10", 100_000), ("1", 1_000_000), ("0.000001", 1), ("1000000", 1_000_000_000_000)]
        {
            assert_eq!(MicroUsd::parse(text), Ok(MicroUsd(micros)), "{text}");
        }
        for text in
            ["", "0", "0.0000001", "-1", "1e3", "inf", "NaN", "1,5", ".5", "1000000.000001", "99999999"]
        {
            assert!(MicroUsd::parse(text).is_err(), "{text}");
        }
        assert_eq!(MicroUsd(100_000).to_string(), "0.100000");
    }

    proptest! {
        #[test]
        fn sms_03_no_pattern_of_requests_exceeds_a_window(waits in prop::collection::vec(0_i64..4_000, 1..60)) {
            let mut log = PhoneLog::default();
            let (mut now, mut sent) = (0, Vec::new());
            for wait in waits {
                now += wait;
                if log.admit(at(now)).is_ok() {
                    log = log.with(last(None), at(now));
                    sent.push(now);
                }
            }
            for (index, first) in sent.iter().enumerate() {
                let within = |seconds: i64| sent[index..].iter().filter(|at| **at - first < seconds).count();
                prop_assert!(within(30) <= 1 && within(600) <= 5 && within(86_400) <= 10, "{:?}", sent);
            }
            prop_assert!(log.sends.len() <= 10);
        }
    }
}
