use super::*;
use std::future::poll_fn;

fn answered(number: usize) -> Answered {
    Answered { status: StatusCode::OK, line: format!(r#"{{"number":{number}}}"#) }
}

async fn next(events: &mut Events) -> Option<String> {
    let mut events = Pin::new(events);
    let frame = poll_fn(|context| events.as_mut().poll_frame(context)).await?;
    Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_reader_gets_the_recent_requests_and_then_what_happens() {
    let feed = Feed::default();
    feed.answered(&answered(1));
    let mut events = feed.read();
    feed.answered(&answered(2));
    feed.changed("clock");
    for number in [1, 2] {
        let event = format!("event: request\ndata: {{\"status\":200,\"line\":{{\"number\":{number}}}}}\n\n");
        assert_eq!(next(&mut events).await.unwrap(), event);
    }
    assert_eq!(next(&mut events).await.unwrap(), "event: changed\ndata: clock\n\n");
}

#[tokio::test]
async fn only_the_latest_requests_are_kept() {
    let feed = Feed::default();
    for number in 0..MAX_RECENT + 3 {
        feed.answered(&answered(number));
    }
    assert_eq!(feed.lock().recent.len(), MAX_RECENT);
    assert!(next(&mut feed.read()).await.unwrap().contains(r#""number":3}"#));
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped_and_nothing_waits_for_it() {
    let feed = Feed::default();
    let (mut slow, mut other) = (feed.read(), feed.read());
    for number in 0..=MAX_RECENT + MAX_BEHIND {
        feed.answered(&answered(number));
        assert!(next(&mut other).await.unwrap().contains(&format!(r#""number":{number}}}"#)));
    }
    assert_eq!(feed.lock().readers.len(), 1);
    let mut got = 0;
    while next(&mut slow).await.is_some() {
        got += 1;
    }
    assert_eq!(got, MAX_RECENT + MAX_BEHIND);
}

#[tokio::test]
async fn a_closed_feed_ends_its_readers() {
    let feed = Feed::default();
    let mut before = feed.read();
    feed.close();
    assert_eq!(next(&mut before).await, None);
    assert_eq!(next(&mut feed.read()).await, None);
}

#[test]
fn a_change_is_named_by_its_path() {
    for (path, name) in
        [("/_dev/clock", "clock"), ("/_dev/factors/auth_factor_1/unlock", "factors"), ("/", "")]
    {
        assert_eq!(topic(path), name);
    }
}
