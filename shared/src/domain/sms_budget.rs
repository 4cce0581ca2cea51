//! Shared limits for text messages: messages per range of phone numbers and hour, and cost per day.
//!
//! The limits per phone number are in `phone_log.rs`.

use super::policy::{SMS_BUDGET_DAY, SMS_PREFIX_WINDOW};
use super::time::Timestamp;
use std::time::Duration;

/// A message would exceed a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no message may be sent before {retry_at}")]
pub struct OverBudget {
    /// When the next message is allowed.
    pub retry_at: Timestamp,
}

/// A fixed window of a shared budget: an hour or a day, aligned to UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The number of the window since 1970.
    pub number: u64,
    /// When the next window starts.
    pub ends_at: Timestamp,
}

impl Window {
    /// The hour that contains `now`, for the limit per range of numbers.
    #[must_use]
    pub fn hour(now: Timestamp) -> Self {
        Self::containing(now, SMS_PREFIX_WINDOW)
    }

    /// The day that contains `now`, for the spending budgets.
    #[must_use]
    pub fn day(now: Timestamp) -> Self {
        Self::containing(now, SMS_BUDGET_DAY)
    }

    fn containing(now: Timestamp, length: Duration) -> Self {
        let number = now.seconds().checked_div(length.as_secs()).unwrap_or_default();
        let ends_at = Duration::from_secs(number.saturating_add(1).saturating_mul(length.as_secs()));
        Self { number, ends_at: Timestamp::default().plus(ends_at) }
    }
}

/// An amount of US dollars, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// Parses dollars with up to six decimals: `0.10`.
    ///
    /// # Errors
    ///
    /// The rule, if the text is not an amount above zero and up to a million.
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

    #[test]
    fn windows_are_aligned_to_the_clock() {
        let now = Timestamp::from_millis(1_800_000_001_000).unwrap();
        assert_eq!(Window::hour(now).ends_at.seconds() % 3_600, 0);
        assert_eq!(Window::day(now).ends_at.seconds() % 86_400, 0);
        assert_eq!(Window::hour(Window::hour(now).ends_at).number, Window::hour(now).number + 1);
    }

    #[test]
    fn dollars_are_parsed_exactly_and_never_as_zero() {
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
}
