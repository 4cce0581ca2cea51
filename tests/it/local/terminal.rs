//! What `latchkey serve` prints for people, and for programs.

use crate::app::{App, other_than, send};
use cli::serve::Options;
use cli::serve::activity::Printer;
use reqwest::Method;
use serde_json::{Value, json};
use shared::config::Settings;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::client::Client;

/// A printed line, without what is different in every run.
fn named(line: &str) -> String {
    let words = line.split(' ').enumerate().map(|(at, word)| match word.trim() {
        time if at == 0 && time.len() == 8 => "HH:MM:SS".to_owned(),
        id if id.starts_with("auth_factor_") => "<factor>".to_owned(),
        time if time.ends_with('Z') => "<time>".to_owned(),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_line_for_people() {
    let printed = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&printed);
    let printer = Printer::new(false, move |line| lines.lock().unwrap().push(named(line.trim_end())));
    let settings = Settings::for_local(&|_| None).unwrap();
    let app = App::start_as(Options { printer: Some(printer), ..Options::in_memory(settings) }).await;

    let factor = app.enroll_sms().await;
    let challenge = app.challenge(&factor).await;
    let code = app.last_code();
    for _ in 0..5 {
        app.verify(&challenge, other_than(&code)).await.expect(201);
    }
    app.verify(&challenge, &code).await.expect(400);
    app.get(&format!("/auth/factors/{factor}"), 200).await;
    app.delete(&format!("/auth/factors/{factor}"), 204).await;
    send(app.request(Method::GET, "/auth/factors")).await.expect(401);
    send(app.request(Method::GET, "/nothing")).await.expect(404);
    // The console's own requests are not shown.
    app.request(Method::GET, "/_dev/clock").send().await.unwrap();
    insta::assert_snapshot!(printed.lock().unwrap().join("\n"), @r"
    HH:MM:SS  enroll     ok        201      0 ms  <factor> sms
    HH:MM:SS  challenge  ok        201      0 ms  <factor> sms  message sent
    HH:MM:SS  verify     wrong     201      0 ms  <factor> sms
    HH:MM:SS  verify     wrong     201      0 ms  <factor> sms
    HH:MM:SS  verify     wrong     201      0 ms  <factor> sms
    HH:MM:SS  verify     wrong     201      0 ms  <factor> sms
    HH:MM:SS  verify     wrong     201      0 ms  <factor> sms  locked until <time>
    HH:MM:SS  verify     refused   400      0 ms  <factor> sms  one_time_code_too_many_attempts
    HH:MM:SS  read       ok        200      0 ms  <factor> sms
    HH:MM:SS  delete     ok        204      0 ms  <factor> sms
    HH:MM:SS  list       refused   401      0 ms  unauthorized
    HH:MM:SS  no route   refused   404      0 ms  route_not_found
    ");
}

/// A server in a process of its own, and what it printed on standard error when it ended.
fn log_of(arguments: &str, shell: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let this = std::env::current_exe().unwrap();
    let serve =
        format!("exec {} local::process::the_server_that_is_started --exact --nocapture", this.display());
    let (out, run) = (dir.path().join("out"), dir.path().join("run"));
    std::fs::write(&run, format!("{serve} >{}", out.display())).unwrap();
    let command = shell.replace("LOG", log.to_str().unwrap()).replace("RUN", run.to_str().unwrap());
    let mut server = Command::new("sh")
        .args(["-c", &command])
        .env("LATCHKEY_TEST_SERVE_ARGUMENTS", format!("--port 0 --in-memory {arguments}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let greeting = || std::fs::read_to_string(&out).unwrap_or_default();
    let deadline = 600;
    let greeted = (0..deadline).map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        greeting()
    });
    let greeting = greeted.into_iter().find(|text| text.contains("totp_user")).expect("a greeting");
    let word =
        |name: &str| greeting.split(name).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let client = Client::new(&word("listening on "), &word("API key "));
    let enroll =
        client.authorized(Method::POST, "/auth/factors/enroll").json(&json!({"type": "generic_otp"}));
    tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async { send(enroll).await.expect(201) })
    });
    let found = (0..deadline).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        std::fs::read_to_string(&log).ok().filter(|text| text.contains("enroll"))
    });
    server.kill().unwrap();
    server.wait().unwrap();
    found.expect("a line")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_gets_json_unless_text_is_asked_for() {
    let json = log_of("", "exec sh RUN 2>LOG");
    let line: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((&line["schema"], &line["operation"]), (&json!(2), &json!("enroll")));

    let text = log_of("--log-format text", "exec sh RUN 2>LOG");
    assert!(text.contains("  enroll     ok        201  ") && !text.contains('\u{1b}'), "{text}");
}

/// `script` runs the server at a terminal.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_lines_for_people_in_color_unless_that_is_unwanted() {
    let colored = log_of("", "exec script --quiet --flush --command 'sh RUN' LOG");
    assert!(colored.contains("\u{1b}[32mok      \u{1b}[0m"), "{colored:?}");
    let plain = log_of("", "NO_COLOR=1 exec script --quiet --flush --command 'sh RUN' LOG");
    assert!(plain.contains("  enroll     ok        201  "), "{plain:?}");
    let json = log_of("--log-format json", "exec script --quiet --flush --command 'sh RUN' LOG");
    assert!(json.contains(r#""operation":"enroll""#), "{json:?}");
}
