//! Other users of the machine: they reach every loopback port, and may not read the data directory.

use super::{attacks, is_refused};
use crate::app::App;
use cli::serve::TABLE;
use serde_json::Value;
use std::fs;

fn base(url: &str) -> &str {
    url.rsplit_once('/').unwrap().0
}

/// F7
#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_the_ports_of_table_root_key_and_outbox_give_nothing() {
    let app = App::start().await;
    app.enroll_totp().await;
    let before = app.dump().await;
    let (dynamodb, kms, sns) = (&app.local.dynamodb_url, &app.local.kms_url, &app.local.sns_url);
    let token = dynamodb.rsplit_once('/').unwrap().1;
    let guesses =
        [String::new(), "/".to_owned(), format!("/{}", "A".repeat(43)), format!("/{}", &token[..42])];
    for guess in guesses.iter().chain([&format!("//{token}"), &format!("/x/{token}")]) {
        let [dynamodb, kms, sns] = [dynamodb, kms, sns].map(|url| format!("{}{guess}", base(url)));
        for request in attacks(&dynamodb, &kms, &sns) {
            is_refused(request).await;
        }
    }
    assert_eq!(app.dump().await, before);
    assert!(app.local.outbox.messages().unwrap().is_empty());
}

/// F7: the URL a developer has given to `cargo lambda watch` is still right after a restart, and commands of the same user
/// find it.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_kept_in_the_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let app = App::start_in(Some(data.clone())).await;
    let token = app.local.dynamodb_url.rsplit_once('/').unwrap().1.to_owned();
    assert_eq!(fs::read_to_string(data.join("endpoint-token")).unwrap().trim(), token);
    let running: Value = serde_json::from_slice(&fs::read(data.join("running.json")).unwrap()).unwrap();
    assert_eq!(running["dynamodb"], app.local.dynamodb_url);
    app.local.stop().await;

    let app = App::start_in(Some(data)).await;
    for url in [&app.local.dynamodb_url, &app.local.kms_url, &app.local.sns_url] {
        assert_eq!(url.rsplit_once('/').unwrap().1, token);
    }
    app.local.stop().await;

    let (one, other) = (App::start().await, App::start().await);
    assert_ne!(
        one.local.dynamodb_url.rsplit_once('/').unwrap().1,
        other.local.dynamodb_url.rsplit_once('/').unwrap().1
    );
    let client = shared::aws::dynamodb(&shared::aws::on_this_machine(&one.local.dynamodb_url));
    client.describe_table().table_name(TABLE).send().await.unwrap();
}
