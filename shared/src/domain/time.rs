//! Timestamps with millisecond precision, as used in responses and in the table.

use std::fmt;
use std::time::Duration;

/// A point in time in UTC with millisecond precision.
///
/// Displays as RFC 3339 with exactly three fraction digits and `Z` (contract §4): `2022-03-27T04:40:00.410Z`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// The time is outside the years 0000 to 9999, which is the range of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time is outside the years 0000 to 9999")]
pub struct OutOfRange;

impl Timestamp {
    /// The earliest supported time: 0000-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(jiff::Timestamp::constant(-62_167_219_200, 0));

    /// The latest supported time, and the latest that jiff converts from milliseconds: 9999-12-30T22:00:00.000Z.
    pub const MAX: Self = Self(jiff::Timestamp::constant(253_402_207_200, 0));

    /// The time `millis` milliseconds after 1970-01-01T00:00:00Z. The inverse of [`millis`].
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if the time is before [`MIN`](Self::MIN) or after [`MAX`](Self::MAX).
    ///
    /// [`millis`]: Self::millis
    pub fn from_millis(millis: i64) -> Result<Self, OutOfRange> {
        let time = jiff::Timestamp::from_millisecond(millis).map(Self).map_err(|_| OutOfRange)?;
        if (Self::MIN..=Self::MAX).contains(&time) { Ok(time) } else { Err(OutOfRange) }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Whole seconds since 1970-01-01T00:00:00Z; zero for earlier times.
    #[must_use]
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0.as_second()).unwrap_or_default()
    }

    /// The time `span` earlier, saturating at [`MIN`](Self::MIN). Fractions of a millisecond are ignored.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self::from_millis(self.millis().saturating_sub(whole_millis(span))).unwrap_or(Self::MIN)
    }

    /// The time `span` later, saturating at [`MAX`](Self::MAX). Fractions of a millisecond are ignored.
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
    fn a_whole_second_has_three_fraction_digits() {
        assert_eq!(
            Timestamp::from_millis(1_648_356_000_000).unwrap().to_string(),
            "2022-03-27T04:40:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_648_356_000_410).unwrap().to_string(),
            "2022-03-27T04:40:00.410Z"
        );
    }

    /// Any supported time, including the limits of the range.
    fn timestamps() -> impl Strategy<Value = Timestamp> {
        let (first, last) = (Timestamp::MIN.millis(), Timestamp::MAX.millis());
        prop_oneof![Just(first), Just(last), Just(0), first..=last]
            .prop_map(|millis| Timestamp::from_millis(millis).unwrap())
    }

    #[test]
    fn the_range_is_the_years_that_rfc_3339_supports() {
        assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.000Z");
        for millis in [Timestamp::MIN.millis() - 1, Timestamp::MAX.millis() + 1, i64::MIN, i64::MAX] {
            assert_eq!(Timestamp::from_millis(millis), Err(OutOfRange), "{millis}");
        }
    }

    proptest! {
        #[test]
        fn millis_round_trip(millis in 0_i64..4_102_444_800_000) {
            let time = Timestamp::from_millis(millis).unwrap();
            prop_assert_eq!(time.millis(), millis);
            prop_assert_eq!(time.plus(Duration::from_millis(1)).millis(), millis + 1);
            prop_assert_eq!(time.to_string().len(), 24);
        }

        /// F1: every time that is written can be read back, whatever it was computed from.
        #[test]
        fn every_computed_time_round_trips(time in timestamps(), seconds: u64, nanos in 0..1_000_000_000_u32) {
            let spans = [Duration::new(seconds, nanos), Duration::new(seconds >> 32, nanos), Duration::MAX, Duration::ZERO];
            for span in spans {
                for made in [time, time.plus(span), time.minus(span), time.plus(span).minus(span)] {
                    prop_assert_eq!(Timestamp::from_millis(made.millis()), Ok(made));
                    prop_assert_eq!(made.to_string().len(), 24);
                }
                prop_assert!(time.minus(span) <= time && time <= time.plus(span));
            }
        }

        #[test]
        fn any_number_of_milliseconds_is_a_time_or_out_of_range(millis: i64) {
            let read = Timestamp::from_millis(millis).map(Timestamp::millis);
            prop_assert!(read == Ok(millis) || read == Err(OutOfRange));
        }
    }
}
