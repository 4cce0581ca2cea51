use super::*;
use std::time::Duration;

#[test]
fn sec_07_a_new_key_seals_once_every_warm_function_has_read_it() {
    let now = Timestamp::from_millis(1_800_000_000_000).unwrap();
    let active_of = |ages: &[u64]| {
        let keys = ages.iter().map(|age| (*age, now.minus(Duration::from_secs(*age))));
        active_key(keys.collect::<Vec<_>>().into_iter(), now)
    };
    let delay = NEW_KEY_DELAY.as_secs();
    assert_eq!(active_of(&[]), None);
    assert_eq!(active_of(&[0]), Some(0), "the only key");
    assert_eq!(active_of(&[0, 500]), Some(500));
    assert_eq!(active_of(&[delay - 1, 500]), Some(500));
    assert_eq!(active_of(&[500, delay]), Some(delay));
    assert_eq!(active_of(&[1, delay, 500]), Some(delay));
    assert_eq!(active_of(&[1, 2]), Some(2), "the oldest, because all are too new");
}
