//! The process killed between any two calls of an SMS challenge.

use super::served::Served;
use crate::app::{Answer, send, try_send};
use reqwest::Method;
use serde_json::json;
use tests::client::code_in;

/// The calls of an SMS challenge in a process that has not seen its API key.
const CALLS: [&str; 6] = ["API key", "factor", "reserve", "mark as tried", "publish", "mark as sent"];

#[tokio::test(flavor = "multi_thread")]
async fn a21_flt_08_flt_11_killed_between_any_two_calls_no_message_is_promised_in_vain_or_sent_twice() {
    for (call, name) in CALLS.into_iter().enumerate() {
        for moment in ["before", "after"] {
            let what = format!("killed {moment} `{name}`");
            let dir = tempfile::tempdir().unwrap();
            let served = Served::start(dir.path());
            let body = json!({"type": "sms", "phone_number": "+15005550006"});
            let (_, factor) = served.ask(Method::POST, "/auth/factors/enroll", Some(body)).await.unwrap();
            let path = format!("/auth/factors/{}/challenge", factor["id"].as_str().unwrap());
            served.kill_nine();

            let mut served = Served::start_silent_at(dir.path(), call, moment);
            let asking = tokio::spawn(try_send(served.text(&path)));
            tokio::task::block_in_place(|| served.wait_for_silence());
            if moment == "after" {
                // The call is on its way; killed too early, the case is that of the call before.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            served.kill_nine();
            assert!(asking.await.unwrap().is_err(), "{what}: an answer");

            let served = Served::start(dir.path());
            let answer = send(served.text(&path)).await;
            // Once it is marked as tried, the message may have been sent, unless it is marked as sent.
            let carried_out = if moment == "after" { &CALLS[..=call] } else { &CALLS[..call] };
            if carried_out.ends_with(&["mark as tried"]) || carried_out.ends_with(&["publish"]) {
                assert_eq!(answer.status, 503, "{what}");
                let sent = usize::from(carried_out.contains(&"publish"));
                assert_eq!(served.client.messages().await.len(), sent, "{what}");
                served.client.advance(30).await;
                let answer = send(served.text(&path)).await;
                served.has_sent(&answer, &what).await;
            } else {
                served.has_sent(&answer, &what).await;
                assert_eq!(served.client.messages().await.len(), 1, "{what}");
            }
            served.kill_nine();
        }
    }
}

impl Served {
    /// The same request for a message, every time.
    fn text(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.authorized(Method::POST, path).header("idempotency-key", "login-1").json(&json!({}))
    }

    /// Asserts that an answer is 201 and that the newest message's code verifies its challenge.
    async fn has_sent(&self, answer: &Answer, what: &str) {
        assert_eq!(answer.status, 201, "{what}");
        let challenge = answer.json();
        let message = self.client.messages().await.pop();
        let message = message.unwrap_or_else(|| panic!("{what}: a text was promised and not sent"));
        let code = code_in(&message.message);
        let path = format!("/auth/challenges/{}/verify", challenge["id"].as_str().unwrap());
        let (_, verified) = self.ask(Method::POST, &path, Some(json!({"code": code}))).await.unwrap();
        assert_eq!(verified["valid"], true, "{what}: the message's code verifies");
    }
}
