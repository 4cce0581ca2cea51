//! Tests with a Latchkey server in the same process. Copy this into your tests; docs/TESTING.md explains it.

use cli::serve::{self, Local, Options, Settings};
use serde_json::{Value, json};

/// Starts a server that keeps everything in memory. It stops with the test's runtime, also if the test fails.
async fn start_latchkey() -> Local {
    let settings = Settings::for_local(&|_| None).unwrap();
    serve::start(Options::in_memory(settings)).await.unwrap()
}

/// Calls the API, as the application under test does.
async fn post(latchkey: &Local, path: &str, body: &Value) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{}{path}", latchkey.url)).bearer_auth(latchkey.api_key.expose());
    request.json(body).send().await.unwrap().json().await.unwrap()
}

/// Enrolls a phone and texts it a code. Returns the path to verify it and the request's body.
async fn texted_code(latchkey: &Local) -> (String, Value) {
    let enrollment = json!({ "type": "sms", "phone_number": "+12025550100" });
    let factor = post(latchkey, "/auth/factors/enroll", &enrollment).await;
    let factor = factor["id"].as_str().unwrap();
    let challenge = post(latchkey, &format!("/auth/factors/{factor}/challenge"), &json!({})).await;
    let sms = latchkey.outbox.messages().unwrap().pop().unwrap();
    let code: String = sms.message.chars().filter(char::is_ascii_digit).collect();
    (format!("/auth/challenges/{}/verify", challenge["id"].as_str().unwrap()), json!({ "code": code }))
}

#[tokio::test]
async fn a_texted_code_is_valid_once() {
    let latchkey = start_latchkey().await;
    let (verify, code) = texted_code(&latchkey).await;
    assert_eq!(post(&latchkey, &verify, &code).await["valid"], true);
    let refused = post(&latchkey, &verify, &code).await;
    assert_eq!(refused["code"], "authentication_challenge_previously_verified");
}

#[tokio::test]
async fn a_challenge_expires_after_ten_minutes() {
    let latchkey = start_latchkey().await;
    let (verify, code) = texted_code(&latchkey).await;
    latchkey.clock.advance(10 * 60).unwrap();
    assert_eq!(post(&latchkey, &verify, &code).await["code"], "authentication_challenge_expired");
}
