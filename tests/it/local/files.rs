//! The data directory: what another user of the machine can read there, and what they can plant.

use super::process::Process;
use crate::app::{App, send};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use tests::client::Client;

/// The files of a data directory that hold what must not be read or replaced.
const FILES: [&str; 9] = [
    "api-key",
    "clock",
    "endpoint-token",
    "lock",
    "outbox.jsonl",
    "root.key",
    "running.json",
    "table.sqlite",
    "table.sqlite-wal",
];

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The files of a folder with their modes.
fn files(dir: &Path) -> BTreeMap<String, u32> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), mode(&path))).collect()
}

async fn send_a_text(server: &Process) {
    let client = Client::new(server.greeted("listening on "), server.greeted("API key "));
    let post = async |path: &str, body: Value| {
        send(client.authorized(Method::POST, path).json(&body)).await.expect(201)
    };
    let factor = post("/auth/factors/enroll", json!({"type": "sms", "phone_number": "+15005550006"})).await;
    post(&format!("/auth/factors/{}/challenge", factor["id"].as_str().unwrap()), json!({})).await;
    client.advance(1).await;
}

/// F12
#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_its_owners_only_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let dir = tempfile::tempdir().unwrap();
        set_mode(dir.path(), 0o755);
        let mut server = Process::start_in(dir.path(), umask);
        send_a_text(&server).await;
        let found = files(dir.path());
        for name in FILES.into_iter().chain([".gitignore", "table.sqlite-shm"]) {
            assert!(found.contains_key(name), "{name}: {found:?}");
        }
        let open: Vec<_> = found.iter().filter(|(_, mode)| **mode != 0o600).collect();
        assert!(open.is_empty(), "umask {umask}: {open:?}");
        server.signal("TERM");
        assert!(server.ended().success());
    }
}

/// F12
#[tokio::test(flavor = "multi_thread")]
async fn what_others_could_read_is_closed_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    App::start_in(Some(data.clone())).await.local.stop().await;
    for name in ["table.sqlite", "root.key", "api-key", "endpoint-token", "lock"] {
        set_mode(&data.join(name), 0o644);
    }
    let app = App::start_in(Some(data.clone())).await;
    assert!(files(&data).values().all(|mode| *mode == 0o600), "{:?}", files(&data));
    app.local.stop().await;
}

/// F12
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_planted_never_becomes_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let (data, target) = (dir.path().join("data"), dir.path().join("target"));
    fs::create_dir(&data).unwrap();
    fs::write(&target, "precious").unwrap();
    fs::write(data.join("root.new"), "").unwrap();
    set_mode(&data.join("root.new"), 0o666);
    // Held open, as anyone who planted it would.
    let planted = fs::File::open(data.join("root.new")).unwrap();
    symlink(&target, data.join("api-key.new")).unwrap();
    symlink(&target, data.join("endpoint-token.new")).unwrap();

    let app = App::start_in(Some(data.clone())).await;
    let root_key = data.join("root.key").metadata().unwrap();
    assert_eq!(root_key.mode() & 0o777, 0o600);
    assert_ne!(root_key.ino(), planted.metadata().unwrap().ino());
    assert_eq!(planted.metadata().unwrap().len(), 0);
    assert!(!data.join("api-key").is_symlink() && !data.join("endpoint-token").is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    app.local.stop().await;
}

/// F12
#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_place_of_a_file_is_refused_and_not_followed() {
    for name in FILES {
        let dir = tempfile::tempdir().unwrap();
        let (data, target) = (dir.path().join("data"), dir.path().join("target"));
        fs::create_dir(&data).unwrap();
        for there in [false, true] {
            if there {
                fs::write(&target, "precious").unwrap();
            }
            let _ = fs::remove_file(data.join(name));
            symlink(&target, data.join(name)).unwrap();
            let refusal = App::refusal_in(&data).await;
            let file = data.join(name).display().to_string();
            let expected = format!(
                "{file} is a symbolic link, and was not created by latchkey. Find out where it comes from, then remove it: `rm {file}`"
            );
            assert_eq!(refusal, expected);
            assert_eq!(target.exists(), there);
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        fs::remove_file(data.join(name)).unwrap();
        fs::hard_link(&target, data.join(name)).unwrap();
        assert!(App::refusal_in(&data).await.contains("is a hard link to another file"));
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }
}

/// F12
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_others_may_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for open in [0o777, 0o775, 0o702] {
        set_mode(dir.path(), open);
        let path = dir.path().display();
        let expected = format!(
            "{path} is writable by other users (mode {open:o}), who could replace its keys. Run `chmod go-w {path}`, or \
             choose another directory with --data-dir"
        );
        assert_eq!(App::refusal_in(dir.path()).await, expected);
        assert!(files(dir.path()).is_empty());
    }
    // What was to be typed.
    set_mode(dir.path(), 0o755);
    App::start_in(Some(dir.path().to_owned())).await.local.stop().await;
}

/// F12: only root can give a directory away, so this shows nothing to other users.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_another_user_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    if chown(&data, Some(65_534), None).is_err() {
        return;
    }
    assert!(App::refusal_in(&data).await.contains("belongs to another user (ID 65534)"));
    assert!(files(&data).is_empty());
}

/// F19: an application's repository may hold `.latchkey`, and must not take its keys in.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_data_directory_is_ignored_by_git_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join(".latchkey");
    App::start_in(Some(data.clone())).await.local.stop().await;
    assert_eq!(fs::read_to_string(data.join(".gitignore")).unwrap(), "*\n");

    let sources = dir.path().join("sources");
    fs::create_dir(&sources).unwrap();
    fs::write(sources.join("main.rs"), "").unwrap();
    App::start_in(Some(sources.clone())).await.local.stop().await;
    assert!(!sources.join(".gitignore").exists());
}
