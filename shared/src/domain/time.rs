//! A moment, to the millisecond, as the wire and the table write it.

use std::fmt;
use std::time::Duration;

/// A moment in UTC with millisecond precision.
///
/// Displays as RFC 3339 with exactly three fraction digits and `Z` (contract §4): `2022-03-27T04:40:00.410Z`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// The moment lies outside the years -9999 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the moment lies outside the calendar")]
pub struct OutOfRange;

impl Timestamp {
    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] beyond the calendar.
    pub fn from_millis(millis: i64) -> Result<Self, OutOfRange> {
        jiff::Timestamp::from_millisecond(millis).map(Self).map_err(|_| OutOfRange)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Whole seconds since 1970-01-01T00:00:00Z; zero before.
    #[must_use]
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or_default()
    }

    /// The moment `span` earlier, at least the start of the calendar.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span).unwrap_or(jiff::Timestamp::MIN))
    }

    /// The moment `span` later, at most the end of the calendar.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span).unwrap_or(jiff::Timestamp::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_whole_second_still_has_three_fraction_digits() {
        assert_eq!(
            Timestamp::from_millis(1_648_356_000_000).unwrap().to_string(),
            "2022-03-27T04:40:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_648_356_000_410).unwrap().to_string(),
            "2022-03-27T04:40:00.410Z"
        );
    }

    #[test]
    fn the_far_future_is_clamped_and_the_impossible_refused() {
        let end = Timestamp::from_millis(253_402_200_000_000).unwrap();
        assert!(end.plus(Duration::from_secs(u64::MAX)) >= end);
        assert_eq!(Timestamp::from_millis(i64::MAX), Err(OutOfRange));
    }

    proptest! {
        #[test]
        fn millis_survive_the_round_trip(millis in 0_i64..4_102_444_800_000) {
            let moment = Timestamp::from_millis(millis).unwrap();
            prop_assert_eq!(moment.millis(), millis);
            prop_assert_eq!(moment.plus(Duration::from_millis(1)).millis(), millis + 1);
            prop_assert_eq!(moment.to_string().len(), 24);
        }
    }
}
