//! The process killed between any two calls of an SMS challenge.

use super::served::Served;
use reqwest::Method;
use serde_json::{Value, json};

/// The calls of an SMS challenge in a process that has not seen its API key: key, factor, transaction, publication.
const CALLS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a21_flt_08_flt_11_killed_between_any_two_calls_no_message_is_in_vain_or_sent_twice() {
    for call in 0..CALLS {
        for moment in ["before", "after"] {
            let what = format!("{moment} call {call}");
            let dir = tempfile::tempdir().unwrap();
            let served = Served::start(dir.path());
            let body = json!({"type": "sms", "phone_number": "+15005550006"});
            let (_, factor) = served.ask(Method::POST, "/auth/factors/enroll", Some(body)).await.unwrap();
            let path = format!("/auth/factors/{}/challenge", factor["id"].as_str().unwrap());
            served.kill_nine();

            let mut served = Served::start_silent_at(dir.path(), call, moment);
            let request =
                served.request(Method::POST, &path).header("idempotency-key", "login-1").json(&json!({}));
            let asking = tokio::spawn(request.send());
            tokio::task::block_in_place(|| served.wait_for_silence());
            if moment == "after" {
                // The call is on its way; killed too early, the case is that of the call before.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            served.kill_nine();
            assert!(asking.await.unwrap().is_err(), "{what}: nobody answered");

            let served = Served::start(dir.path());
            let request =
                served.request(Method::POST, &path).header("idempotency-key", "login-1").json(&json!({}));
            let answer = request.send().await.unwrap();
            assert_eq!(
                answer.status().as_u16(),
                201,
                "{what}: the same request is answered after the restart"
            );
            let challenge: Value = answer.json().await.unwrap();
            let outbox: Vec<Value> =
                served.request(Method::GET, "/_dev/sms").send().await.unwrap().json().await.unwrap();
            assert!(outbox.len() <= 1, "{what}: {} messages for one key", outbox.len());
            // Killed after the budgets were charged and before the message left: the one case that sends none.
            let between = call == 2 && moment == "after" || call == 3 && moment == "before";
            assert!(between || outbox.len() == 1, "{what}: no message");
            assert!(call != 3 || moment != "before" || outbox.is_empty(), "{what}: a second reservation");
            for message in outbox {
                let code: String =
                    message["message"].as_str().unwrap().chars().filter(char::is_ascii_digit).collect();
                let path = format!("/auth/challenges/{}/verify", challenge["id"].as_str().unwrap());
                let (_, verified) =
                    served.ask(Method::POST, &path, Some(json!({"code": code}))).await.unwrap();
                assert_eq!(verified["valid"], true, "{what}: the message's code verifies");
            }
            served.kill_nine();
        }
    }
}
