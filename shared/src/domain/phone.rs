//! Phone numbers: strict E.164 that libphonenumber's data knows to exist.

mod plan;

use super::policy::SMS_PREFIX_DIGITS;
use std::fmt;

/// Numbers without an owner, for tests of text messages: `WorkOS` and SMS providers document `+15005550006`. They are
/// personal numbers otherwise, which are refused.
const TEST_NUMBERS: &str = "+1500555";

/// A valid phone number in E.164: `+`, then up to 15 digits. `Debug` shows the country and the last two digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone {
    number: String,
    country: Country,
}

/// ISO 3166-1 alpha-2, upper case: `US`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Country(String);

/// The text is not a phone number that can be texted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// It is not strict E.164, or no such number can exist.
    #[error("not a phone number in E.164")]
    Invalid,
    /// It is no mobile number, or one of no country, as satellite phones have.
    #[error("not a number to send text messages to")]
    NotSupported,
}

impl Phone {
    /// Reads strict E.164 (`^\+[1-9][0-9]{1,14}$`, SMS-01) and checks that such a number can exist and be texted.
    ///
    /// # Errors
    ///
    /// [`PhoneError::Invalid`] for spaces, brackets, a missing `+`, and numbers no plan has;
    /// [`PhoneError::NotSupported`] for every kind of number but mobile ones: messages to others cost a fortune, arrive
    /// nowhere or are read aloud.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix('+').ok_or(PhoneError::Invalid)?;
        let strict = (2..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if !strict {
            return Err(PhoneError::Invalid);
        }
        let (region, kind) = plan::find(digits).ok_or(PhoneError::Invalid)?;
        if kind != plan::Kind::Mobile && !text.starts_with(TEST_NUMBERS) {
            return Err(PhoneError::NotSupported);
        }
        let country = Country::parse(region).map_err(|_| PhoneError::NotSupported)?;
        Ok(Self { number: text.to_owned(), country })
    }

    /// A number that was valid when it was stored.
    #[must_use]
    pub fn stored(number: String, country: Country) -> Self {
        Self { number, country }
    }

    /// The number in E.164.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.number
    }

    /// The range the number is in: its first eight digits.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.number.get(..=SMS_PREFIX_DIGITS).unwrap_or(&self.number)
    }

    /// The country whose plan the number is in; `+1` is split by area code.
    #[must_use]
    pub fn country(&self) -> &Country {
        &self.country
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last_two = self.number.get(self.number.len().saturating_sub(2)..).unwrap_or_default();
        write!(f, "{} …{last_two}", self.country)
    }
}

impl Country {
    /// Reads an ISO 3166-1 alpha-2 code, in upper case.
    ///
    /// # Errors
    ///
    /// The text itself, if it is not two upper-case letters.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if fits { Ok(Self(text.to_owned())) } else { Err(text.to_owned()) }
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sms_01_a_number_is_strict_e164_and_exists() {
        for (text, country) in [
            ("+15005550006", "US"),
            ("+12025550123", "US"),
            ("+16137827274", "CA"),
            ("+18765551234", "JM"),
            ("+447400123456", "GB"),
            ("+4915123456789", "DE"),
            ("+33612345678", "FR"),
            ("+919876543210", "IN"),
        ] {
            assert_eq!(
                Phone::parse(text).map(|phone| phone.country().to_string()),
                Ok(country.to_owned()),
                "{text}"
            );
        }
        for text in [
            "",
            "foo",
            "73",
            "+",
            "+1",
            "+73",
            "16073517112",
            "+1 607 351 7112",
            "+1-607-351-7112",
            "(607)3517112",
            "+1607351711",
            "+16073517112345678",
            "+0123456789",
            "+1607351711２",
            "+1607351711\u{662}",
            "tel:+16073517112",
            "+16073517112;ext=1",
            "+16073517112\0",
            " +16073517112",
            "+16073517112\n",
            "+99912345678",
        ] {
            assert_eq!(Phone::parse(text), Err(PhoneError::Invalid), "{text:?}");
        }
    }

    #[test]
    fn sms_01_sms_02_only_mobile_numbers_of_a_country_are_texted() {
        for text in [
            "+19002345678", // premium rate
            "+449098790123",
            "+22709123456", // with a national number that begins with a zero
            "+22709123343",
            "+448431234567", // shared cost
            "+447012345678", // personal
            "+15002345678",
            "+18005550123",  // toll-free
            "+442012345678", // a fixed line
            "+881612345678",
            "+870301234567",
            "+979123456789",
        ] {
            assert_eq!(Phone::parse(text), Err(PhoneError::NotSupported), "{text}");
        }
    }

    #[test]
    fn sms_02_plus_one_is_many_countries() {
        for (text, country) in [
            ("+15062345678", "CA"),
            ("+18762101234", "JM"),
            ("+12423591234", "BS"),
            ("+18092345678", "DO"),
            ("+16713001234", "GU"),
            ("+12128765432", "US"),
        ] {
            assert_eq!(Phone::parse(text).unwrap().country().as_str(), country, "{text}");
        }
    }

    #[test]
    fn log_04_debug_shows_the_country_and_two_digits() {
        assert_eq!(format!("{:?}", Phone::parse("+447400123456").unwrap()), "GB …56");
    }

    proptest! {
        #[test]
        fn sms_01_what_is_accepted_is_what_was_given(text in "\\+?[0-9 ()-]{0,18}") {
            if let Ok(phone) = Phone::parse(&text) {
                prop_assert_eq!(phone.as_str(), text);
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = Phone::parse(&text);
        }
    }
}
