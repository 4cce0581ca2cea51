use super::*;
use std::time::Duration;

#[test]
fn sec_07_a_new_key_seals_once_every_function_has_heard_of_it() {
    let now = Timestamp::from_millis(1_800_000_000_000).unwrap();
    let ages = |ages: &[u64]| {
        let keys = ages.iter().map(|age| (*age, now.minus(Duration::from_secs(*age))));
        settled(keys.collect::<Vec<_>>().into_iter(), now)
    };
    let settles = NEW_KEY_DELAY.as_secs();
    assert_eq!(ages(&[]), None);
    assert_eq!(ages(&[0]), Some(0), "there is no other");
    assert_eq!(ages(&[0, 500]), Some(500));
    assert_eq!(ages(&[settles - 1, 500]), Some(500));
    assert_eq!(ages(&[500, settles]), Some(settles));
    assert_eq!(ages(&[1, settles, 500]), Some(settles));
    assert_eq!(ages(&[1, 2]), Some(2), "all are young: the oldest");
}
