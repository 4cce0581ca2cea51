//! Numbering plans: which numbers a country has, and of which kind.
//!
//! The plans are 72 KB of text in the binary. Nothing reads them before the first phone number, and a number compiles only the
//! patterns of countries with its calling code: 15 to 160 µs, so they are not kept. The crate `phonenumber` takes 65 ms to
//! load its data.

use regex_lite::Regex;

/// Written by `generate`, which describes its fields.
const PLANS: &str = include_str!("plans.txt");

/// What a number is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It can be a mobile number: in North America and a few other plans fixed lines look the same.
    Mobile,
    /// A fixed line, or any other kind, even if it can be a mobile number, too.
    Other,
}

/// A country's line of the table.
struct Plan<'a> {
    region: &'a str,
    /// Pattern of how its national numbers begin, where that distinguishes it from other countries with the same calling code.
    start: &'a str,
    mobile: &'a str,
    fixed: &'a str,
    others: &'a str,
}

/// The region (ISO 3166-1 alpha-2, or `001` for none) and kind of an international number, if there is such a number.
pub(super) fn find(digits: &str) -> Option<(&'static str, Kind)> {
    PLANS.lines().find_map(|line| {
        let (plan, national) = Plan::of(line, digits)?;
        Some((plan.region, plan.kind(national)?))
    })
}

impl<'a> Plan<'a> {
    /// The plan of a line, and the number without its calling code, if that is the plan's. No calling code begins another.
    fn of<'n>(line: &'a str, digits: &'n str) -> Option<(Self, &'n str)> {
        let (code, rest) = line.split_once(' ')?;
        let national = digits.strip_prefix(code)?;
        let [region, start, mobile, fixed, others] = rest.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some((Self { region, start, mobile, fixed, others }, national))
    }

    fn kind(&self, national: &str) -> Option<Kind> {
        let is = |pattern| matches(pattern, "$", national);
        if self.start != NONE && !matches(self.start, "", national) {
            None
        } else if is(self.others) {
            Some(Kind::Other)
        } else if is(self.mobile) {
            Some(Kind::Mobile)
        } else {
            is(self.fixed).then_some(Kind::Other)
        }
    }
}

/// In the place of a pattern: the plan has none.
const NONE: &str = "-";

fn matches(pattern: &str, end: &str, national: &str) -> bool {
    pattern != NONE
        && Regex::new(&format!("^(?:{pattern}){end}")).is_ok_and(|pattern| pattern.is_match(national))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        let lines: Vec<&str> = PLANS.lines().filter(|line| !line.starts_with('#')).collect();
        for line in &lines {
            let fields: Vec<&str> = line.split(' ').collect();
            assert_eq!(fields.len(), 6, "{line}");
            assert!(fields[0].bytes().all(|byte| byte.is_ascii_digit()), "{line}");
            assert!(fields[1] == "001" || fields[1].len() == 2, "{line}");
            for pattern in &fields[2..] {
                assert!(Regex::new(&format!("^(?:{pattern})$")).is_ok(), "{line}");
            }
        }
        assert!(lines.len() > 250, "{}", lines.len());
    }

    #[test]
    fn no_calling_code_begins_another() {
        let codes: std::collections::BTreeSet<&str> =
            PLANS.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        for code in &codes {
            let longer = codes.iter().find(|other| other.starts_with(code) && other != &code);
            assert_eq!(longer, None, "{code}");
        }
    }
}
