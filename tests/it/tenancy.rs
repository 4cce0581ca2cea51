//! What belongs together: codes to challenges, challenges to factors, factors to environments, secrets to all three.

use crate::app::{App, send};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a17_key_10_anothers_id_gets_the_bytes_of_a_missing_one() {
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

#[tokio::test(flavor = "multi_thread")]
async fn a7_one_05_a_code_of_one_factor_is_wrong_for_a_challenge_of_another() {
    let app = App::start().await;
    let (own, other) = (app.enroll_totp().await, app.enroll_totp().await);
    let challenge = app.challenge(&own.id).await;
    let code = app.code_of(&other, 0);
    if code != app.code_of(&own, 0) {
        assert!(!app.is_valid(&challenge, &code).await);
    }
    let generic = app.enroll(json!({"type": "generic_otp"})).await;
    let (first, first_code) = app.generic_challenge(&generic).await;
    let (second, second_code) = app.generic_challenge(&generic).await;
    if first_code != second_code {
        assert!(!app.is_valid(&second, &first_code).await && !app.is_valid(&first, &second_code).await);
    }
    assert!(!app.is_valid(&app.challenge(&own.id).await, &first_code).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a22_sec_02_sec_11_a_secret_moved_to_another_row_opens_nothing_and_costs_nothing() {
    let app = App::start().await;
    let (own, other) = (app.enroll_totp().await, app.enroll_totp().await);
    let challenge = app.challenge(&own.id).await;
    let items = app.dump().await;
    let row = |id: &str| items.iter().find(|item| item["pk"].as_s().unwrap().ends_with(id)).unwrap().clone();
    let mut swapped = row(&own.id);
    swapped.insert("secret".to_owned(), row(&other.id)["secret"].clone());
    let put = app.table().put_item().table_name(cli::serve::TABLE);
    put.set_item(Some(swapped.clone())).send().await.unwrap();
    for code in [app.code_of(&other, 0), app.code_of(&own, 0), app.wrong_code(&own)] {
        let failed = app.verify(&challenge, &code).await.expect(500);
        assert_eq!(failed["code"], "internal_server_error");
        assert!(failed.get("valid").is_none());
    }
    assert!(app.dump().await.contains(&swapped), "no attempt was charged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a22_one_05_a_codes_mac_moved_to_another_challenge_matches_nothing() {
    let app = App::start().await;
    let factor = app.enroll(json!({"type": "generic_otp"})).await;
    let (first, code) = app.generic_challenge(&factor).await;
    let (second, _) = app.generic_challenge(&factor).await;
    let items = app.dump().await;
    let row = |id: &str| items.iter().find(|item| item["pk"].as_s().unwrap().ends_with(id)).unwrap().clone();
    let mut swapped = row(&second);
    swapped.insert("code".to_owned(), row(&first)["code"].clone());
    app.table().put_item().table_name(cli::serve::TABLE).set_item(Some(swapped)).send().await.unwrap();
    assert!(!app.is_valid(&second, &code).await);
    assert!(app.is_valid(&first, &code).await);
}
