//! `latchkey recovery`: what is shown of a user's recovery codes, and how they are revoked.

use super::Desk;
use crate::recovery::path;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn rec_11_an_operator_sees_and_revokes_recovery_codes() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let codes = app.recovery_codes("alice", json!({"accept_on_challenges": true})).await;
    app.recovers("alice", &codes[0]).await;
    for _ in 0..5 {
        app.recovers("alice", &codes[0]).await;
    }
    let shown = desk.json("recovery show --user alice --environment local").await;
    assert_eq!((&shown["remaining"], &shown["failures"]), (&json!(9), &json!(5)));
    assert!(shown["locked"].as_str().unwrap().starts_with("until 2"));
    let show = desk.done("recovery show --user alice --environment local").await;
    for code in &codes {
        assert!(!show.contains(code) && !shown.to_string().contains(code));
    }
    app.recover("alice", &codes[1]).await.expect(400);
    // The way out of every lock: new codes.
    let codes = app.recovery_codes("alice", json!({})).await;
    assert_eq!(app.recovers("alice", &codes[1]).await, (true, 9));
    let revoked = desk.type_in("recovery revoke --user alice --environment local").await;
    assert!(revoked.err.contains("\"event\":\"recovery_codes.revoked\""), "{}", revoked.err);
    app.get(&path("alice"), 404).await;
    insta::assert_snapshot!(desk.failed("recovery show --user alice --environment local").await, @"latchkey: the user alice has no recovery codes in the environment local. Check the user ID: it is the application's, as in POST /user_management/users/ID/recovery_codes");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_recovery_codes_can_be_revoked_and_replaced() {
    let desk = Desk::new();
    let app = desk.serve().await;
    for way_out in ["revoked", "replaced"] {
        let codes = app.recovery_codes("alice", json!({})).await;
        let mut item = app.item("/alice").await;
        item.insert("codes".to_owned(), AttributeValue::Null(true));
        app.put(item).await;
        app.recover("alice", &codes[0]).await.expect(500);
        app.get(&path("alice"), 500).await;
        desk.ended(1, "recovery show --user alice --environment local").await;
        if way_out == "revoked" {
            desk.done("recovery revoke --user alice --environment local").await;
            app.get(&path("alice"), 404).await;
        }
        let codes = app.recovery_codes("alice", json!({})).await;
        assert_eq!(app.recovers("alice", &codes[0]).await, (true, 9));
    }
    app.local.stop().await;
}
