//! `latchkey init`, and what every command says when it does not know what to act on.

use super::{Desk, typed, words};
use cli::command::{self, FAILED, OK, USAGE};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_everything_once_and_its_key_works() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.done("init").await, @r"
    table  latchkey  created
    data key  data_key_…  created
    environment  production  created
    API key  sk_production_…  shown only once
    ");
    insta::assert_snapshot!(desk.done("init").await, @r"
    table  latchkey  already exists
    data key  data_key_…  already exists
    environment  production  already exists
    API key  already exists. Create another one: `latchkey keys create --environment production`
    ");
    let made = desk.json("init --environment staging").await;
    assert_eq!(
        [&made["table_made"], &made["data_key_made"], &made["environment_made"]],
        [false, false, true]
    );

    // The same on a running server, which takes the key.
    let app = desk.serve().await;
    let again = desk.json("init --environment staging").await;
    assert_eq!(again["api_key"], json!(null));
    assert_eq!(again["data_key"], made["data_key"]);
    let key = made["api_key"]["key"].as_str().unwrap();
    for (kind, status) in [("totp", 422), ("generic_otp", 201)] {
        let body = json!({ "type": kind });
        app.send_as(key, Method::POST, "/auth/factors/enroll", body).await.expect(status);
    }
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_goes_on_from_wherever_it_was_interrupted() {
    let desk = Desk::new();
    desk.done("init").await;
    let key = desk.json("keys list").await[0]["id"].as_str().unwrap().to_owned();
    desk.done(&format!("keys revoke {key}")).await;
    // As after an interruption before the key was made.
    let made = desk.json("init").await;
    assert_eq!(made["environment_made"], false);
    assert!(made["api_key"]["key"].as_str().unwrap().starts_with("sk_production_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_its_owner_where_it_is_for_as_long_as_it_runs() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    let app = desk.serve().await;
    let file = desk.dir().join("running.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(desk.json("env list").await[0]["environment"], "local");
    // As while it is starting: the lock is held, and no server answers yet.
    let said = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    insta::assert_snapshot!(desk.failed("env list").await, @"latchkey: DIR is in use by a server that is starting, or by another command. Run this again in a moment");
    app.local.stop().await;
    // What a killed server leaves behind names nothing.
    std::fs::write(&file, said).unwrap();
    assert_eq!(desk.json("env list").await[0]["environment"], "local");
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_says_what_it_needs_and_what_to_type() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.failed("env list").await, @"latchkey: there is no table in DIR. Create one: `latchkey init --local DIR`");
    assert!(!desk.dir().exists(), "asking makes nothing");
    let nowhere = typed("", async |console| command::run(words("env list"), console).await).await;
    assert_eq!(nowhere.code, FAILED);
    insta::assert_snapshot!(nowhere.err, @"latchkey: no deployment is selected. Use --table NAME or set LATCHKEY_TABLE for a deployment on AWS, or use --local DIR for the data directory of `latchkey serve`, such as --local .latchkey");
    for line in [
        "env",
        "env create Production",
        "keys create",
        "keys revoke sk_production_1",
        "serve --table x",
        "--json",
        "env list --local x --table y",
    ] {
        let ended = typed("", async |console| command::run(words(line), console).await).await;
        assert_eq!(ended.code, USAGE, "{line}");
        assert!(!ended.err.is_empty() && ended.out.is_empty(), "{line}");
    }
    let help = typed("", async |console| command::run(words("--help"), console).await).await;
    assert_eq!(help.code, OK);
    assert!(help.out.contains("Exit codes: 0 done, 1 failed, 2 usage error, 3 `doctor` found faults."));
    for shell in ["bash", "zsh", "fish"] {
        let ended =
            typed("", async |console| command::run(words(&format!("completions {shell}")), console).await)
                .await;
        assert_eq!(ended.code, OK);
        assert!(ended.out.contains("latchkey") && ended.out.contains("rewrap"), "{shell}");
    }
}
