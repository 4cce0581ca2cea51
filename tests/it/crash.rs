//! The local server killed without warning: what was answered 201 is there, and nothing is half there.

mod served;
mod sms;

use crate::app::App;
use serde_json::json;
use served::Served;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_201_survives_kill_nine() {
    let dir = tempfile::tempdir().unwrap();
    let mut answered: Vec<String> = Vec::new();
    let mut key = None;
    for round in 0..5 {
        let served = std::sync::Arc::new(Served::start(dir.path()));
        assert!(key.is_none_or(|key| key == served.key), "the same API key after a restart");
        let mut enrolling = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let served = std::sync::Arc::clone(&served);
            enrolling.spawn(async move {
                let mut factors = Vec::new();
                let body = json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "a", "user_id": "u"});
                while let Ok((201, factor)) =
                    served.ask(reqwest::Method::POST, "/auth/factors/enroll", Some(body.clone())).await
                {
                    factors.push(factor["id"].as_str().unwrap().to_owned());
                }
                factors
            });
        }
        tokio::time::sleep(std::time::Duration::from_millis(150 + round * 70)).await;
        // The clients hold the handle: the process is killed under their requests.
        let pid = served.process.id().to_string();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
        answered.extend(enrolling.join_all().await.into_iter().flatten());
        key = Some(std::sync::Arc::into_inner(served).unwrap().kill_nine());
    }
    assert!(!answered.is_empty());

    let served = Served::start(dir.path());
    for id in &answered {
        let (status, factor) =
            served.ask(reqwest::Method::GET, &format!("/auth/factors/{id}"), None).await.unwrap();
        assert_eq!((status, &factor["id"]), (200, &json!(id)));
    }
    // Whatever else is there was written as a whole: it lists, it reads, it can be challenged.
    let mut listed = 0;
    let mut cursor = String::new();
    loop {
        let path = format!("/auth/factors?user_id=u&limit=100{cursor}");
        let (status, list) = served.ask(reqwest::Method::GET, &path, None).await.unwrap();
        assert_eq!(status, 200);
        for factor in list["data"].as_array().unwrap() {
            listed += 1;
            let challenge = format!("/auth/factors/{}/challenge", factor["id"].as_str().unwrap());
            assert_eq!(served.ask(reqwest::Method::POST, &challenge, None).await.unwrap().0, 201);
        }
        match list["list_metadata"]["after"].as_str() {
            Some(after) => cursor = format!("&after={after}"),
            None => break,
        }
    }
    assert!(listed >= answered.len());
    served.kill_nine();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_do_not_share_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(Some(dir.path().to_owned())).await;
    let refused = App::refusal_in(dir.path()).await;
    assert!(refused.contains("in use by another latchkey"), "{refused}");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_factors_messages_and_the_moved_clock() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let app = App::start_in(Some(data.clone())).await;
    let factor = app.enroll_sms().await;
    let challenge = app.challenge(&factor).await;
    app.advance(300);
    let before = shared::ports::Clock::now(&app.local.clock);
    app.local.stop().await;
    for file in ["root.key", "api-key", "table.sqlite", "outbox.jsonl", "clock"] {
        let mode = std::fs::metadata(data.join(file)).unwrap().permissions().mode() & 0o777;
        let private = std::fs::metadata(&data).unwrap().permissions().mode() & 0o777 == 0o700;
        assert!(private && mode == 0o600, "{file} is {mode:o}");
    }

    let app = App::start_in(Some(data.clone())).await;
    assert!(shared::ports::Clock::now(&app.local.clock) >= before);
    assert!(app.is_valid(&challenge, &app.last_code()).await);
    app.advance(600);
    app.local.stop().await;

    // A data directory that lost its root key must not silently get another one.
    std::fs::remove_file(data.join("root.key")).unwrap();
    let refused = App::refusal_in(&data).await;
    assert!(refused.contains("root.key"), "{refused}");
}
