//! Two environments on one table: what belongs to the other does not exist.

use crate::app::{App, send};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn key_10_anothers_id_gets_the_bytes_of_a_missing_one() {
    let app = App::start().await;
    let other = app.other_environment().await;
    let totp = app.enroll_totp().await;
    let challenge = app.challenge(&totp.id).await;
    let code = app.code_of(&totp, 0);
    let missing_factor = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
    let missing_challenge = "auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ";
    for (method, path, foreign, missing) in [
        (Method::GET, "/auth/factors/ID", totp.id.as_str(), missing_factor),
        (Method::DELETE, "/auth/factors/ID", totp.id.as_str(), missing_factor),
        (Method::POST, "/auth/factors/ID/challenge", totp.id.as_str(), missing_factor),
        (Method::POST, "/auth/factors/challenge", totp.id.as_str(), missing_factor),
        (Method::POST, "/auth/challenges/ID/verify", challenge.as_str(), missing_challenge),
        (Method::POST, "/auth/factors/verify", challenge.as_str(), missing_challenge),
    ] {
        let ask = async |id: &str| {
            let body =
                json!({"code": code, "authentication_factor_id": id, "authentication_challenge_id": id});
            let request = app.request(method.clone(), &path.replace("ID", id)).bearer_auth(&other);
            let answer = send(request.json(&body)).await;
            (answer.status, answer.text.replace(id, "ID"))
        };
        let (foreign, missing) = (ask(foreign).await, ask(missing).await);
        assert_eq!(foreign, missing, "{path}");
        assert_eq!(foreign.0, 404);
    }
    assert!(app.is_valid(&challenge, &code).await, "its owner can still use it");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_09_users_of_two_environments_may_share_a_name() {
    let app = App::start().await;
    let other = app.other_environment().await;
    app.enroll(json!({"type": "generic_otp", "user_id": "user_1"})).await;
    let path = "/auth/factors?user_id=user_1";
    let list = send(app.request(Method::GET, path).bearer_auth(&other)).await.expect(200);
    assert_eq!(list["data"], json!([]));
}
