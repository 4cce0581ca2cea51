//! A start in a data directory that is full: nothing that it does grows with what is there.

use crate::app::App;
use cli::serve::faults::{Faults, proxy::Proxy};
use cli::serve::listen::Listener;
use cli::serve::{Endpoints, TABLE};
use shared::aws;
use shared::operate::{ChangeOutcome, Operator};
use std::fs;
use std::future::pending;
use std::io::Write as _;

/// `DescribeTable` of the embedded engine counts the items, so a start must not call it for a table that is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_does_not_count_the_items_of_an_old_table() {
    let app = App::start().await;
    let (dynamodb, kms, sns) =
        (app.local.dynamodb_url.clone(), app.local.kms_url.clone(), app.local.sns_url.clone());
    let faults = Faults::none();
    let proxy = Proxy { upstream: Endpoints { dynamodb, kms, sns }, faults: faults.clone(), watch: None };
    let listener = Listener::loopback(0, None).await.unwrap();
    let operator = Operator::new(aws::dynamodb(&aws::on_this_machine(listener.url())), TABLE.to_owned());
    tokio::spawn(proxy.serve(listener, pending()));
    assert_eq!(operator.create_table().await.unwrap(), ChangeOutcome::Refused);
    let calls: Vec<String> = faults.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["DescribeTimeToLive"]);
}

/// The table of a server that was killed before it turned on TTL.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_completes_a_table_without_a_ttl() {
    let app = App::start().await;
    let ttl = |enabled| {
        let ttl = aws_sdk_dynamodb::types::TimeToLiveSpecification::builder();
        let ttl = ttl.enabled(enabled).attribute_name("ttl").build().unwrap();
        app.table().update_time_to_live().table_name(TABLE).time_to_live_specification(ttl).send()
    };
    ttl(false).await.unwrap();
    assert_eq!(app.local.operator.ttl().await.unwrap(), None);
    assert_eq!(app.local.operator.create_table().await.unwrap(), ChangeOutcome::Refused);
    assert_eq!(app.local.operator.ttl().await.unwrap().as_deref(), Some("ttl"));
}

/// The outbox is read when somebody asks for the messages. A message follows on what a killed server left of a line.
#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_read_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(Some(dir.path().to_owned())).await;
    let factor = app.enroll_sms().await;
    app.challenge(&factor).await;
    app.local.stop().await;
    let file = dir.path().join("outbox.jsonl");
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"to\":\"+1500").unwrap();

    let app = App::start_in(Some(dir.path().to_owned())).await;
    app.advance(60);
    let challenge = app.challenge(&factor).await;
    assert_eq!(app.local.outbox.messages().unwrap().len(), 2);
    assert!(app.is_valid(&challenge, &app.last_code()).await);
    app.local.outbox.clear().unwrap();
    assert!(app.local.outbox.messages().unwrap().is_empty());
    app.local.stop().await;

    fs::write(&file, [0xff, b'\n']).unwrap();
    let app = App::start_in(Some(dir.path().to_owned())).await;
    let refused = app.local.outbox.messages().err().expect("a refusal").to_string();
    assert!(refused.contains("outbox.jsonl"), "{refused}");
    fs::write(&file, b"").unwrap();
    app.local.stop().await;
}
