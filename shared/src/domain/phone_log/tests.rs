use super::*;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const KEY: Option<RequestMac> = Some(RequestMac([1; 32]));
const OTHER_KEY: Option<RequestMac> = Some(RequestMac([2; 32]));

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000).unwrap()
}

/// A request with a challenge of its own.
fn request(number: u8, key: Option<RequestMac>) -> MessageRequest {
    let mut rng = StdRng::from_seed([number; 32]);
    MessageRequest { challenge: ChallengeId::new(at(0), &mut rng), key }
}

/// A log with one message in this state, reserved at second 0 for the first request with [`KEY`].
fn log(state: MessageState) -> PhoneLog {
    PhoneLog::default().reserve(request(1, KEY), at(0)).mark(state)
}

/// Sends each message as soon as it is allowed, and returns the times.
fn send_eagerly(count: usize) -> Vec<i64> {
    let mut log = PhoneLog::default();
    let mut now = at(0);
    let mut sent = Vec::new();
    while sent.len() < count {
        if let Err(OverBudget { retry_at }) = log.admit(now) {
            now = retry_at;
        }
        log = log.reserve(request(0, None), now);
        sent.push((now.millis() - at(0).millis()) / 1_000);
    }
    sent
}

#[test]
fn sms_03_the_cooldown_doubles_and_five_messages_fit_ten_minutes_and_ten_a_day() {
    let day = 24 * 60 * 60;
    assert_eq!(send_eagerly(5), [0, 30, 90, 210, 450]);
    let sent = send_eagerly(12);
    for window in sent.windows(6) {
        assert!(window[5] - window[0] >= 600, "six within ten minutes: {sent:?}");
    }
    assert!(sent[9] < day && sent[10] >= day && sent[11] >= sent[1] + day, "{sent:?}");
}

#[test]
fn a_request_reserves_then_marks_then_publishes() {
    let own = request(1, KEY);
    assert_eq!(PhoneLog::default().next_step(&own, at(0)), Ok(NextStep::Reserve));
    assert_eq!(log(MessageState::Reserved).next_step(&own, at(0)), Ok(NextStep::Try));
    assert_eq!(log(MessageState::Tried).next_step(&own, at(0)), Ok(NextStep::Publish));
}

#[test]
fn a_retry_sends_a_message_that_was_reserved_but_not_sent() {
    let from = request(1, KEY).challenge;
    let step = log(MessageState::Reserved).next_step(&request(2, KEY), at(5));
    assert_eq!(step, Ok(NextStep::TakeOver { from }));
    let taken = log(MessageState::Reserved).take_over(request(2, KEY), at(5));
    assert_eq!(taken.next_step(&request(2, KEY), at(5)), Ok(NextStep::Publish));
    for late in [request(1, KEY), request(3, KEY)] {
        assert_eq!(taken.next_step(&late, at(5)), Ok(NextStep::Wait), "no one takes it over again");
    }
}

#[test]
fn a_retry_waits_while_the_outcome_may_become_known_and_is_refused_afterwards() {
    let tried = log(MessageState::Tried);
    let over = OverBudget { retry_at: at(30) };
    let pending = i64::try_from(SMS_OUTCOME_TIMEOUT.as_secs()).unwrap();
    assert_eq!(tried.next_step(&request(2, KEY), at(pending - 1)), Ok(NextStep::Wait));
    assert_eq!(tried.next_step(&request(2, KEY), at(pending)), Err(over));
    assert_eq!(tried.next_step(&request(2, KEY), at(30)), Ok(NextStep::Reserve), "after the cooldown");
}

#[test]
fn a_retry_of_a_sent_message_returns_its_challenge_during_the_cooldown() {
    let sent = log(MessageState::Sent);
    let (challenge, otherwise) = (request(1, KEY).challenge, OverBudget { retry_at: at(30) });
    assert_eq!(sent.next_step(&request(2, KEY), at(29)), Ok(NextStep::Repeat { challenge, otherwise }));
    assert_eq!(sent.next_step(&request(2, KEY), at(30)), Ok(NextStep::Reserve));
}

#[test]
fn another_request_is_refused_in_every_state() {
    for state in MessageState::ALL {
        for other in [request(2, OTHER_KEY), request(2, None)] {
            assert_eq!(
                log(state).next_step(&other, at(5)),
                Err(OverBudget { retry_at: at(30) }),
                "{state:?}"
            );
        }
    }
    // Two requests without a key are not the same request.
    let without = PhoneLog::default().reserve(request(1, None), at(0)).mark(MessageState::Sent);
    assert!(without.next_step(&request(2, None), at(5)).is_err());
}

#[test]
fn the_cooldown_of_a_message_that_is_taken_over_starts_at_the_takeover() {
    let taken = log(MessageState::Reserved).take_over(request(2, KEY), at(25));
    assert_eq!(taken.sends, [at(25)], "one message, not two");
    assert_eq!(taken.admit(at(54)), Err(OverBudget { retry_at: at(55) }));
}

#[test]
fn states_round_trip() {
    for state in MessageState::ALL {
        assert_eq!(MessageState::parse(state.name()), Some(state));
    }
    assert_eq!(MessageState::parse("Sent"), None);
}

proptest! {
    #[test]
    fn sms_03_no_pattern_of_requests_exceeds_a_window(waits in prop::collection::vec(0_i64..4_000, 1..60)) {
        let mut log = PhoneLog::default();
        let (mut now, mut sent) = (0, Vec::new());
        for wait in waits {
            now += wait;
            if log.admit(at(now)).is_ok() {
                log = log.reserve(request(0, None), at(now));
                sent.push(now);
            }
        }
        for (index, first) in sent.iter().enumerate() {
            let within = |seconds: i64| sent[index..].iter().filter(|at| **at - first < seconds).count();
            prop_assert!(within(30) <= 1 && within(600) <= 5 && within(86_400) <= 10, "{:?}", sent);
        }
        prop_assert!(log.sends.len() <= 10);
    }
}
