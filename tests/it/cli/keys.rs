//! `latchkey keys`: made, used side by side, ended.

use super::Desk;
use reqwest::Method;
use serde_json::json;
use shared::domain::api_key::ApiKey;

#[tokio::test(flavor = "multi_thread")]
async fn key_07_key_06_one_key_replaces_another_without_a_gap() {
    let desk = Desk::new();
    let app = desk.serve().await;
    desk.done("env create production").await;
    let first = desk.json("keys create --environment production").await;
    let (old, old_id) = (first["key"].as_str().unwrap(), first["id"].as_str().unwrap());
    assert_eq!(app.list_with(old).await.status, 200);
    let new = desk.done("keys create --environment production").await;
    assert_eq!(new, "sk_production_…", "the key and nothing else");
    let new = desk.json("keys create --environment production").await["key"].as_str().unwrap().to_owned();
    // A function that has just read the environment does not look for a new key at once.
    app.advance(2);
    assert_eq!(
        (app.list_with(old).await.status, app.list_with(&new).await.status),
        (200, 200),
        "side by side"
    );

    let said = desk.done(&format!("keys revoke {old_id}")).await;
    assert!(said.ends_with("of production revoked; warm functions may accept it for up to 60 s"), "{said}");
    app.advance(60);
    assert_eq!((app.list_with(old).await.status, app.list_with(&new).await.status), (401, 200));
    insta::assert_snapshot!(desk.failed("keys revoke api_key_01ARZ3NDEKTSV4RRFFQ69G5FAV").await, @"latchkey: there is no API key api_key_…. List the API keys: `latchkey keys list`");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_08_a_key_does_what_its_scope_says_until_it_expires() {
    let desk = Desk::new();
    let app = desk.serve().await;
    desk.done("env create production").await;
    let create = async |options: &str| {
        let made = desk.json(&format!("keys create --environment production {options}")).await;
        made["key"].as_str().unwrap().to_owned()
    };
    let (full, verify, read) =
        (create("").await, create("--scope verify").await, create("--scope read --expires-in 90d").await);
    let enroll = async |key: &str| {
        let body = json!({"type": "generic_otp"});
        app.send_as(key, Method::POST, "/auth/factors/enroll", body).await.status
    };
    assert_eq!((enroll(&full).await, app.list_with(&full).await.status), (201, 200));
    let refused = (enroll(&verify).await, app.list_with(&verify).await.status, enroll(&read).await);
    assert!(refused.0 >= 400 && refused.1 >= 400 && refused.2 >= 400, "{refused:?}");
    assert_eq!(app.list_with(&read).await.status, 200);
    app.advance(90 * 24 * 3_600);
    assert_eq!((app.list_with(&read).await.status, app.list_with(&full).await.status), (401, 200));
    let listed = desk.done("keys list --environment production").await;
    insta::assert_snapshot!(listed, @r"
    ID  ENVIRONMENT  SCOPE  CREATED  EXPIRES
    api_key_…  production  full  TIME  never
    api_key_…  production  verify  TIME  never
    api_key_…  production  read  TIME  TIME (expired)
    ");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_keys_live_at_a_time_and_ended_ones_make_room() {
    let desk = Desk::new();
    desk.done("init").await;
    for _ in 0..18 {
        desk.done("keys create --environment production").await;
    }
    desk.done("keys create --environment production --expires-in 30m").await;
    insta::assert_snapshot!(desk.failed("keys create --environment production").await, @"latchkey: the environment production has 20 live API keys, which is the maximum. Revoke one: `latchkey keys list`, then `latchkey keys revoke ID`");
    let app = desk.serve().await;
    app.advance(1_800);
    let made = desk.type_in("keys create --environment production").await;
    let events: Vec<_> = made.changes().iter().map(|change| change["event"].clone()).collect();
    assert_eq!(events, [json!("api_key.revoked"), json!("api_key.created")]);
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_own_key_was_revoked_makes_another() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let old = app.local.api_key.expose().to_owned();
    let id = desk.json("keys list").await[0]["id"].as_str().unwrap().to_owned();
    desk.done(&format!("keys revoke {id}")).await;
    app.local.stop().await;
    let app = desk.serve().await;
    let new = app.local.api_key.expose().to_owned();
    assert_eq!((app.list_with(&old).await.status, app.list_with(&new).await.status), (401, 200));
    app.local.stop().await;
}

/// KEY-14: who did what to which key, and never the key.
#[tokio::test(flavor = "multi_thread")]
async fn key_14_making_and_revoking_a_key_is_written_down_with_its_id_only() {
    let desk = Desk::new();
    desk.done("init").await;
    let made = desk.type_in("keys create --environment production --scope verify").await;
    let key = made.out.trim();
    assert!(ApiKey::parse(key).is_ok());
    let listed = desk.json("keys list").await;
    let id = listed[1]["id"].as_str().unwrap();
    let revoked = desk.type_in(&format!("keys revoke {id}")).await;
    for (ended, event) in [(&made, "api_key.created"), (&revoked, "api_key.revoked")] {
        let [change] = ended.changes().try_into().unwrap();
        let actor = change["actor"].as_str().unwrap();
        assert!(!actor.is_empty());
        let expected = json!({"time": change["time"], "event": event, "environment": "production", "api_key": id, "scope": "verify", "actor": actor});
        assert_eq!(change, expected);
        assert!(!ended.err.contains("sk_") && !ended.err.contains(&key[16..]), "{}", ended.err);
    }
    assert!(!revoked.out.contains("sk_") && !listed.to_string().contains("sk_"));
}
