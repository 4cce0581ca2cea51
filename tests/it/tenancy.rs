//! What belongs together: codes to challenges, challenges to factors, factors to environments, secrets to all three.

use crate::app::App;
use crate::contract::ROUTES;
use cli::serve::faults::Faults;
use reqwest::Method;
use serde_json::json;

/// Every route × {own, foreign, missing}: what is another's is answered, and asks the table, as what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a17_key_10_anothers_id_gets_the_bytes_of_a_missing_one() {
    let app = App::start_with_faults(Faults::none()).await;
    let other = app.other_environment().await;
    // What makes something new finds nothing.
    let makes = ["enroll", "auth_factors", "recovery_codes"];
    let finds = |(method, path): &(Method, &str)| {
        *method != Method::POST || !makes.iter().any(|end| path.ends_with(end))
    };
    for (method, path) in ROUTES.into_iter().filter(finds) {
        let totp = app.enroll_totp().await;
        let user = format!("user_of_{}", totp.id);
        app.post(&format!("/user_management/users/{user}/auth_factors"), json!({"type": "totp"}), 201).await;
        let recovery = format!("/user_management/users/{user}/recovery_codes");
        let recovery = app.post(&recovery, json!({}), 201).await["codes"][0].clone();
        let code = if path.contains("recovery_codes") { recovery } else { json!("000000") };
        let challenge = app.challenge(&totp.id).await;
        let ids = |factor: &str, challenge: &str, user: &str| {
            let path = path
                .replace("auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ", factor)
                .replace("auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ", challenge)
                .replace("user_1", user);
            let body = json!({
                "type": "totp", "code": code, "authentication_factor_id": factor, "authentication_challenge_id": challenge,
            });
            (path, body)
        };
        let (missing_factor, missing_challenge) = (
            totp.id.replace(&totp.id[24..], "00ANQZ00ANQZ00"),
            challenge.replace(&challenge[27..], "00ANQZ00ANQZ00"),
        );
        let ask = async |key: &str, factor: &str, challenge: &str, user: &str| {
            app.faults().plan(|_| None);
            let (path, body) = ids(factor, challenge, user);
            let answer = app.send_as(key, method.clone(), &path, body).await;
            let calls: Vec<_> = app.faults().calls().iter().map(|call| call.operation.clone()).collect();
            let text = [user, factor, challenge].iter().fold(answer.text, |text, id| text.replace(id, "ID"));
            (answer.status, text, calls)
        };
        // Its environment is known, so that no read of it is counted.
        app.list_with(&other).await.expect(200);
        let foreign = ask(&other, &totp.id, &challenge, &user).await;
        let missing = ask(&other, &missing_factor, &missing_challenge, "user_nobody").await;
        let own = ask(app.local.api_key.expose(), &totp.id, &challenge, &user).await;
        assert_eq!(foreign, missing, "{method} {path}");
        assert!([404, 200].contains(&foreign.0), "{method} {path}: {}", foreign.0);
        assert_ne!(own.1, foreign.1, "{method} {path}: its owner gets another answer");
        assert!(own.0 < 300, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_09_users_of_two_environments_may_share_a_name() {
    let app = App::start().await;
    let other = app.other_environment().await;
    app.enroll(json!({"type": "generic_otp", "user_id": "user_1"})).await;
    let path = "/auth/factors?user_id=user_1";
    let list = app.send_as(&other, Method::GET, path, json!({})).await.expect(200);
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
    let mut swapped = app.item(&own.id).await;
    swapped.insert("secret".to_owned(), app.item(&other.id).await["secret"].clone());
    app.put(swapped.clone()).await;
    // Its snapshot of the factor carries the moved secret.
    let challenge = app.challenge(&own.id).await;
    for code in [app.code_of(&other, 0), app.code_of(&own, 0), app.wrong_code(&own)] {
        let failed = app.verify(&challenge, &code).await.expect(500);
        assert_eq!(failed["code"], "internal_server_error");
        assert!(failed.get("valid").is_none());
    }
    assert!(app.dump().await.contains(&swapped), "no attempt was charged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a22_sec_02_an_environments_key_moved_to_another_environment_opens_nothing() {
    let app = App::start().await;
    let other = app.other_environment().await;
    let mut swapped = app.item("environment/other").await;
    swapped.insert("keys".to_owned(), app.item("environment/local").await["keys"].clone());
    app.put(swapped).await;
    let before = app.dump().await.len();
    let body = json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "a"});
    let refused = app.send_as(&other, Method::POST, "/auth/factors/enroll", body).await;
    assert_eq!(refused.expect(500)["code"], "internal_server_error");
    assert_eq!(app.dump().await.len(), before, "nothing was written");
    app.enroll_totp().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a22_one_05_a_codes_mac_moved_to_another_challenge_matches_nothing() {
    let app = App::start().await;
    let factor = app.enroll(json!({"type": "generic_otp"})).await;
    let (first, code) = app.generic_challenge(&factor).await;
    let (second, _) = app.generic_challenge(&factor).await;
    let mut swapped = app.item(&second).await;
    swapped.insert("code".to_owned(), app.item(&first).await["code"].clone());
    app.put(swapped).await;
    assert!(!app.is_valid(&second, &code).await);
    assert!(app.is_valid(&first, &code).await);
}
