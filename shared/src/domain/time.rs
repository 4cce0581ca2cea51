//! A moment, to the millisecond, as the wire and the table write it.

use std::fmt;
use std::time::Duration;

/// A moment in UTC with millisecond precision.
///
/// Displays as RFC 3339 with exactly three fraction digits and `Z` (contract §4): `2022-03-27T04:40:00.410Z`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// The moment lies outside the years 0000 to 9999, which RFC 3339 can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the moment lies outside the calendar")]
pub struct OutOfRange;

impl Timestamp {
    /// The start of the calendar: 0000-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(jiff::Timestamp::constant(-62_167_219_200, 0));

    /// The end of the calendar, the last moment jiff reads back from milliseconds: 9999-12-30T22:00:00.000Z.
    pub const MAX: Self = Self(jiff::Timestamp::constant(253_402_207_200, 0));

    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z. Every moment reads back from its own [`millis`].
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] before [`MIN`](Self::MIN) and after [`MAX`](Self::MAX).
    ///
    /// [`millis`]: Self::millis
    pub fn from_millis(millis: i64) -> Result<Self, OutOfRange> {
        let moment = jiff::Timestamp::from_millisecond(millis).map(Self).map_err(|_| OutOfRange)?;
        if (Self::MIN..=Self::MAX).contains(&moment) { Ok(moment) } else { Err(OutOfRange) }
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

    /// The moment `span` earlier, at least [`MIN`](Self::MIN). Parts of a millisecond do not count.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self::from_millis(self.millis().saturating_sub(whole_millis(span))).unwrap_or(Self::MIN)
    }

    /// The moment `span` later, at most [`MAX`](Self::MAX). Parts of a millisecond do not count.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self::from_millis(self.millis().saturating_add(whole_millis(span))).unwrap_or(Self::MAX)
    }
}

fn whole_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
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

    /// A moment from anywhere in the calendar, and from its edges.
    fn moments() -> impl Strategy<Value = Timestamp> {
        let (first, last) = (Timestamp::MIN.millis(), Timestamp::MAX.millis());
        prop_oneof![Just(first), Just(last), Just(0), first..=last]
            .prop_map(|millis| Timestamp::from_millis(millis).unwrap())
    }

    #[test]
    fn the_calendar_is_the_years_that_rfc_3339_can_write() {
        assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.000Z");
        for millis in [Timestamp::MIN.millis() - 1, Timestamp::MAX.millis() + 1, i64::MIN, i64::MAX] {
            assert_eq!(Timestamp::from_millis(millis), Err(OutOfRange), "{millis}");
        }
    }

    proptest! {
        #[test]
        fn millis_survive_the_round_trip(millis in 0_i64..4_102_444_800_000) {
            let moment = Timestamp::from_millis(millis).unwrap();
            prop_assert_eq!(moment.millis(), millis);
            prop_assert_eq!(moment.plus(Duration::from_millis(1)).millis(), millis + 1);
            prop_assert_eq!(moment.to_string().len(), 24);
        }

        /// F1: a moment that is written is a moment that reads back, whatever it was computed from.
        #[test]
        fn every_moment_that_can_be_made_reads_back(moment in moments(), seconds: u64, nanos in 0..1_000_000_000_u32) {
            let spans = [Duration::new(seconds, nanos), Duration::new(seconds >> 32, nanos), Duration::MAX, Duration::ZERO];
            for span in spans {
                for made in [moment, moment.plus(span), moment.minus(span), moment.plus(span).minus(span)] {
                    prop_assert_eq!(Timestamp::from_millis(made.millis()), Ok(made));
                    prop_assert_eq!(made.to_string().len(), 24);
                }
                prop_assert!(moment.minus(span) <= moment && moment <= moment.plus(span));
            }
        }

        #[test]
        fn every_number_of_milliseconds_is_a_moment_or_out_of_range(millis: i64) {
            let read = Timestamp::from_millis(millis).map(Timestamp::millis);
            prop_assert!(read == Ok(millis) || read == Err(OutOfRange));
        }
    }
}
