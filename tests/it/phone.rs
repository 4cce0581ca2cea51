//! Which phone numbers may be texted, compared with Google's own libphonenumber (tests/it/phone/run).

use shared::domain::phone::Phone;
use std::collections::BTreeSet;

/// Numbers of every region and kind, with what libphonenumber says of them.
const NUMBERS: &str = include_str!("phone/numbers.txt");

/// F10. Satellite phones are mobile, but of no country; `+1 500 555` is in no example of a personal number.
#[test]
fn sms_01_sms_02_mobile_numbers_of_every_country_are_texted_and_no_others() {
    let (countries, refused) = compare(NUMBERS);
    assert!(countries.len() > 230, "{}", countries.len());
    assert_eq!(refused.len(), 10, "{refused:?}");
}

#[test]
#[ignore = "needs a list of random numbers: tests/it/phone/run"]
#[expect(clippy::disallowed_methods, reason = "tests/it/phone/run says where the list is")]
fn sms_01_sms_02_random_numbers_are_texted_or_refused_as_libphonenumber_says() {
    let numbers = std::fs::read_to_string(std::env::var("LATCHKEY_TEST_NUMBERS").unwrap()).unwrap();
    compare(&numbers);
}

/// The countries whose numbers can be texted, and the kinds of numbers that cannot.
fn compare(numbers: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut countries, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for line in numbers.lines() {
        let [number, region, kind] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let phone = Phone::parse(number).map(|phone| phone.country().to_string());
        if ["MOBILE", "FIXED_LINE_OR_MOBILE"].contains(&kind) && region != "001" {
            assert_eq!(phone, Ok(region.to_owned()), "{line}");
            countries.insert(region);
        } else {
            assert!(phone.is_err(), "{line}");
            refused.insert(kind);
        }
    }
    (countries, refused)
}
