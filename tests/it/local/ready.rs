//! `serve --ready-file`: how a program that starts a server learns where it is.

use super::process::{self, Process};
use crate::app::send;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, absolute};
use tests::client::Client;

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The greeting stands for readiness here: the file is written before it.
#[tokio::test(flavor = "multi_thread")]
async fn the_ready_file_has_what_the_greeting_has_until_the_server_stops() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("ready.json"), dir.path().join("data"));
    // As a server left it that was killed.
    fs::write(&file, r#"{"url":"http://127.0.0.1:1"}"#).unwrap();
    let arguments = format!("--port 0 --data-dir {} --ready-file {}", data.display(), file.display());
    let mut server = Process::start("000", &arguments);
    let ready = read(&file);
    let word = |name: &str| json!(server.greeted(name));
    let expected = json!({
        "url": word("listening on "),
        "api_key": word("API key "),
        "console_url": word("Console "),
        "endpoints": { "dynamodb": word("DynamoDB "), "kms": word("KMS "), "sns": word("SNS ") },
        "data_dir": absolute(&data).unwrap(),
        "pid": server.id(),
    });
    // Without their contents, which have the API key.
    assert!(ready == expected, "the file differs from the greeting");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(names(dir.path()), ["data", "ready.json"]);
    let client = Client::new(ready["url"].as_str().unwrap(), ready["api_key"].as_str().unwrap());
    let body = json!({ "type": "generic_otp" });
    send(client.authorized(Method::POST, "/auth/factors/enroll").json(&body)).await.expect(201);

    server.signal("TERM");
    assert!(server.ended().success());
    assert_eq!(names(dir.path()), ["data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ready_file_without_data_directory_and_console_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ready.json");
    let arguments = format!("--port 0 --in-memory --addr 0.0.0.0 --ready-file {}", file.display());
    let mut server = Process::start("022", &arguments);
    let ready = read(&file);
    assert_eq!((&ready["console_url"], &ready["data_dir"]), (&Value::Null, &Value::Null));
    // A program that has read it may remove it.
    fs::remove_file(&file).unwrap();
    server.signal("INT");
    assert!(server.ended().success());
}

/// A killed server leaves its file. The next one replaces it, also if it is a link, and does not follow that.
#[tokio::test(flavor = "multi_thread")]
async fn a_ready_file_that_is_left_is_replaced_and_a_link_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, target) = (dir.path().join("ready.json"), dir.path().join("target"));
    let arguments = format!("--port 0 --in-memory --ready-file {}", file.display());
    let mut killed = Process::start("022", &arguments);
    killed.signal("KILL");
    assert!(!killed.ended().success());
    assert_eq!(read(&file)["pid"], killed.id());

    fs::rename(&file, &target).unwrap();
    symlink(&target, &file).unwrap();
    let server = Process::start("022", &arguments);
    assert_eq!(read(&file)["pid"], server.id());
    assert_eq!(read(&target)["pid"], killed.id());
}

#[test]
fn a_ready_file_that_cannot_be_written_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    for (file, why) in [
        (dir.path().join("missing/ready.json"), "No such file or directory (os error 2)"),
        (dir.path().to_owned(), "Is a directory (os error 21)"),
    ] {
        let expected = format!(
            "latchkey: cannot write the ready file {}: {why}. Choose a file in a directory that exists and that you can write \
             to: --ready-file FILE\n",
            file.display()
        );
        let (greeting, errors) =
            process::refused(&format!("--port 0 --in-memory --ready-file {}", file.display()));
        assert!(errors.contains(&expected), "{errors}");
        assert!(!greeting.contains("listening on"), "{greeting}");
    }
    assert!(names(dir.path()).is_empty());
}
