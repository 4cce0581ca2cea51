//! Recovery codes as people read, type and mistype them.

use super::*;
use crate::domain::policy::RECOVERY_CODES;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::collections::BTreeSet;

#[test]
fn rec_01_a_code_has_120_random_bits_and_is_shown_in_groups() {
    let mut rng = StdRng::from_seed([4; 32]);
    let shown: BTreeSet<String> =
        (0..10_000).map(|_| RecoveryCode::random(&mut rng).shown().to_string()).collect();
    assert_eq!(shown.len(), 10_000);
    for code in &shown {
        assert_eq!(code.split('-').map(str::len).collect::<Vec<_>>(), [4; 6], "{code}");
        assert!(code.bytes().all(|byte| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ-".contains(&byte)), "{code}");
    }
    // Every character occurs at every position: no bit is fixed.
    for position in (0..29).filter(|position| position % 5 != 4) {
        let seen: BTreeSet<u8> = shown.iter().map(|code| code.as_bytes()[position]).collect();
        assert_eq!(seen.len(), 32, "position {position}");
    }
    const { assert!(RECOVERY_CODE_BYTES * 8 >= 112, "SP 800-63B-4 §3.1.2.2") };
    const { assert!(RECOVERY_CODES == 10) };
}

#[test]
fn a_code_is_read_as_people_type_it() {
    let code = RecoveryCode::random(&mut StdRng::from_seed([9; 32]));
    let shown = code.shown();
    let lower = shown.to_ascii_lowercase();
    let forms = [
        shown.to_string(),
        lower.clone(),
        shown.replace('-', ""),
        shown.replace('-', " "),
        format!("  {lower}  "),
        shown.replace('0', "O").replace('1', "I"),
        lower.replace('0', "o").replace('1', "l"),
    ];
    for form in forms {
        assert!(RecoveryCode::parse(&form).is_ok_and(|read| read.expose() == code.expose()));
    }
}

#[test]
fn anything_else_is_not_a_code() {
    let shown = RecoveryCode::random(&mut StdRng::from_seed([9; 32])).shown();
    let others = [
        String::new(),
        "123456".to_owned(),
        shown.chars().skip(1).collect(),
        format!("{}0", *shown),
        shown.replacen(|_| true, "U", 1),
        shown.replacen('-', "_", 1),
        shown.replacen('-', "\n", 1),
        shown.replacen(|_| true, "é", 1),
        "-".repeat(24),
    ];
    for other in others {
        assert_eq!(RecoveryCode::parse(&other).err(), Some(MalformedRecoveryCode));
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_is_the_inverse_of_showing(text in "\\PC*", seed: [u8; 32]) {
        let _ = RecoveryCode::parse(&text);
        let code = RecoveryCode::random(&mut StdRng::from_seed(seed));
        prop_assert!(RecoveryCode::parse(&code.shown()).is_ok_and(|read| read.expose() == code.expose()));
    }
}
