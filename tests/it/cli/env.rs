//! `latchkey env`: environments, and what is left of a deleted one.

use super::Desk;
use crate::app::{App, Item};
use cli::serve::TABLE;
use reqwest::Method;
use serde_json::{Value, json};

/// A factor of each kind with challenges and a message, in the environment that `key` speaks for.
async fn fill(app: &App, key: &str) -> String {
    let post = async |path: &str, body: Value| app.send_as(key, Method::POST, path, body).await.expect(201);
    let mut totp = String::new();
    for body in [
        json!({"type": "sms", "phone_number": "+15005550006", "user_id": "u"}),
        json!({"type": "generic_otp", "user_id": "u"}),
        json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "alice", "user_id": "u"}),
    ] {
        let factor = post("/auth/factors/enroll", body).await;
        totp = factor["id"].as_str().unwrap().to_owned();
        post(&format!("/auth/factors/{totp}/challenge"), json!({})).await;
    }
    totp
}

fn of(items: &[Item], environment: &str) -> Vec<Item> {
    items.iter().filter(|item| item["pk"].as_s().unwrap().contains(environment)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_are_made_listed_and_deleted() {
    let desk = Desk::new();
    desk.done("init").await;
    insta::assert_snapshot!(desk.done("env create staging").await, @"environment staging created. Create its first API key: `latchkey keys create --environment staging`");
    insta::assert_snapshot!(desk.failed("env create staging").await, @"latchkey: the environment staging already exists. Create another API key for it: `latchkey keys create --environment staging`");
    insta::assert_snapshot!(desk.done("env list").await, @r"
    ENVIRONMENT  ID  CREATED  API KEYS  KEYS  STATE
    production  environment_…  TIME  1  1
    staging  environment_…  TIME  0  1
    ");
    let refused = desk.answer("env delete staging", "production\n").await;
    assert_eq!(refused.code, 1);
    refused.err_has("the environment staging was not deleted");
    assert_eq!(desk.json("env list").await.as_array().unwrap().len(), 2);
    let deleted = desk.answer("env delete staging", "staging\n").await;
    assert_eq!(deleted.out, "environment staging deleted; items removed: 0\n");
    insta::assert_snapshot!(desk.failed("env delete staging --yes").await, @"latchkey: there is no environment staging. List the environments: `latchkey env list`. Or create it: `latchkey env create staging`");
}

/// SEC-01, KEY-06: an erased environment is gone, and so is the use of every copy of what it held.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_environment_leaves_nothing_and_copies_of_it_open_nothing() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let (doomed, other) = (
        app.api_key("doomed", shared::domain::scope::Scope::Full, None).await,
        app.other_environment().await,
    );
    fill(&app, &other).await;
    app.advance(60);
    let factor = fill(&app, &doomed).await;
    let environments = desk.json("env list").await;
    let id = |tag: &str| {
        let all = environments.as_array().unwrap();
        all.iter().find(|one| one["environment"] == tag).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let before = app.dump().await;
    let copies = of(&before, &id("doomed"));
    assert!(copies.len() > 6, "three factors, three challenges, the day's money");

    // A warm server may still write for a minute: the deletion is not finished before that.
    let unfinished = desk.ended(1, "env delete doomed --yes").await;
    unfinished.err_has("Run this again after that to finish: `latchkey env delete doomed --yes`");
    let [change] = unfinished.changes().try_into().unwrap();
    assert_eq!([&change["event"], &change["environment"]], ["environment.deleted", "doomed"]);
    let late = json!({"type": "generic_otp"});
    app.send_as(&doomed, Method::POST, "/auth/factors/enroll", late).await.expect(201);
    app.advance(60);
    app.send_as(&doomed, Method::GET, &format!("/auth/factors/{factor}"), json!({})).await.expect(401);
    for line in ["keys create --environment doomed", "env create doomed", "init --environment doomed"] {
        desk.ended(1, line).await.err_has("is being deleted. Finish the deletion");
    }
    app.advance(60);
    insta::assert_snapshot!(desk.done("env delete doomed --yes").await, @"environment doomed deleted; items removed: 1");

    let after = app.dump().await;
    assert!(of(&after, &id("doomed")).is_empty());
    assert!(!after.iter().any(
        |item| item["sk"].as_s().unwrap() == "doomed" || item["pk"].as_s().unwrap().ends_with("/doomed")
    ));
    assert_eq!(
        of(&after, &id("other")).len(),
        of(&before, &id("other")).len(),
        "no other environment lost anything"
    );

    // Somebody kept a copy of the items and makes an environment of the same name; even under the old id nothing opens.
    desk.done("env create doomed").await;
    let key = desk.json("keys create --environment doomed").await["key"].as_str().unwrap().to_owned();
    let mut revived = app.item("environment/doomed").await;
    let erased = before.iter().find(|item| item["pk"].as_s().unwrap() == "environment/doomed").unwrap();
    revived.insert("id".to_owned(), erased["id"].clone());
    for item in copies.into_iter().chain([revived]) {
        app.put(item).await;
    }
    let post = async |path: &str, body: Value| app.send_as(&key, Method::POST, path, body).await;
    let challenge = post(&format!("/auth/factors/{factor}/challenge"), json!({})).await.expect(201);
    let path = format!("/auth/challenges/{}/verify", challenge["id"].as_str().unwrap());
    let answer = post(&path, json!({"code": "123456"})).await.expect(500);
    assert_eq!(answer["code"], "internal_server_error");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_deletion_is_resumed() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let doomed = app.api_key("doomed", shared::domain::scope::Scope::Full, None).await;
    fill(&app, &doomed).await;
    let tag = shared::domain::environment::Tag::parse("doomed").unwrap();
    let now = shared::ports::Clock::now(&app.local.clock);
    app.local.operator.erase_environment(&tag, now).await.unwrap();
    app.local.stop().await;
    // The process that erased it was killed there; no server runs, so that nothing has to be waited for.
    let listed = desk.done("env list").await;
    assert!(listed.contains("being deleted since TIME"), "{listed}");
    let resumed = desk.ended(0, "env delete doomed").await;
    assert_eq!(resumed.out, "environment doomed deleted; items removed: 7\n", "it asks nothing");
    assert!(resumed.changes().is_empty(), "the deletion was written down when it was made");
}

/// F19: DynamoDB leaves part of a batch undone when the table has no capacity for it. An operator hears of it in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_gets_no_capacity_ends_and_is_resumed() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let doomed = app.api_key("doomed", shared::domain::scope::Scope::Full, None).await;
    fill(&app, &doomed).await;
    let aws = super::doctor::aws::Aws::start(&app.local.dynamodb_url, &app.local.kms_url).await;
    let key = json!({"pk": {"S": "p"}, "sk": {"S": "s"}});
    let left = json!({"UnprocessedItems": {TABLE: [{"DeleteRequest": {"Key": key}}]}});
    aws.answer("BatchWriteItem", super::doctor::aws::Reply::Answer(left));
    let settings = shared::config::Settings::for_local(&|_| None).unwrap();
    let sdk = shared::aws::on_this_machine(&aws.url);
    let deployment = cli::deployment::Deployment::with_sdk(&sdk, TABLE.to_owned(), None, settings);
    let ended = super::typed("", async |console| {
        cli::command::run_on(super::words("env delete doomed --yes"), &deployment, console).await
    })
    .await;
    assert_eq!(ended.code, 1);
    ended.err_has("DynamoDB could not remove items: unprocessed items remain");
    assert_eq!(aws.asked("BatchWriteItem"), shared::operate::MAX_BATCH_TRIES);
    app.local.stop().await;
    assert_eq!(desk.done("env delete doomed").await, "environment doomed deleted; items removed: 7");
}
