//! An import and an export that are killed at any moment and repeated: nothing is lost, and nothing is there twice.

use super::import::lines_of;
use super::{Desk, words};
use crate::app::{App, Totp};
use cli::command;
use cli::console::Console;
use rand::RngExt as _;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::totp::Secret;
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const LINE: &str = "LATCHKEY_TEST_COMMAND";

/// How many clients verify at once.
const CLIENTS: usize = 16;

/// Not a test of its own: the process that is started, and killed.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "how the two processes talk")]
async fn the_command_that_is_killed() {
    let Ok(line) = std::env::var(LINE) else { return };
    let code = command::run(words(&line), &mut Console::standard()).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("\nended {code} {peak}");
}

/// A command in a process of its own.
fn start(line: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["cli::killed::the_command_that_is_killed", "--exact", "--nocapture"])
        .env(LINE, line)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits for a command that must succeed, and returns the most memory that it had at once, as Linux counts it.
fn finish(mut process: Child) -> String {
    let mut out = String::new();
    process.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    process.wait().unwrap();
    let last = out.lines().find(|line| line.starts_with("ended ")).unwrap_or_else(|| panic!("{out}"));
    assert!(last.starts_with("ended 0 "), "{out}");
    last.trim_start_matches("ended 0 VmHWM:").trim().to_owned()
}

/// Starts a command ten times and kills it after a random time up to `longest`, then lets it end.
fn killed_ten_times(line: impl Fn(usize) -> String, longest: Duration, rng: &mut StdRng) -> String {
    for round in 0..10 {
        let mut process = start(&line(round));
        let wait = longest.mul_f64(rng.random_range(0.0..1.0));
        std::thread::sleep(wait);
        process.kill().unwrap();
        process.wait().unwrap();
    }
    finish(start(&line(10)))
}

/// The secret of each of `count` users, and the lines that import them.
fn users(count: usize, rng: &mut StdRng) -> (Vec<Secret>, String) {
    let secrets: Vec<Secret> = (0..count).map(|_| Secret::random(rng)).collect();
    let lines = secrets.iter().enumerate().fold(String::new(), |mut lines, (n, secret)| {
        let line = json!({"user_id": format!("u{n}"), "type": "totp", "secret": &**secret.to_base32(), "external_id": n.to_string()});
        writeln!(lines, "{line}").unwrap();
        lines
    });
    (secrets, lines)
}

/// The verdicts on guesses at a new challenge of an app, as an SDK asks for them. The answers are not looked at any further,
/// because there are a hundred thousand of them.
async fn guess<const N: usize>(app: &App, totp: &Totp, codes: [String; N]) -> [bool; N] {
    let post = async |path: String, body: Value| -> Value {
        let answer = app.client.authorized(Method::POST, &path).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{path}");
        answer.json().await.unwrap()
    };
    let challenge = post(format!("/auth/factors/{}/challenge", totp.id), json!({})).await;
    let path = format!("/auth/challenges/{}/verify", challenge["id"].as_str().unwrap());
    let mut verdicts = [false; N];
    for (verdict, code) in verdicts.iter_mut().zip(codes) {
        *verdict = post(path.clone(), json!({ "code": code })).await["valid"].as_bool().unwrap();
    }
    verdicts
}

/// The verdicts on three guesses at each app: a code that was accepted before, a wrong one, and the next one.
async fn verdicts(app: &Arc<App>, apps: &[Totp]) -> Vec<[bool; 3]> {
    let mut clients = JoinSet::new();
    let size = apps.len().div_ceil(CLIENTS);
    for (place, chunk) in apps.chunks(size).enumerate() {
        let (app, chunk) = (Arc::clone(app), chunk.to_vec());
        clients.spawn(async move {
            let mut verdicts = Vec::new();
            for totp in &chunk {
                let now = app.local.clock.now();
                let codes = [totp.code(now, 0), totp.wrong_code(now), totp.code(now, 1)];
                verdicts.push(guess(&app, totp, codes).await);
            }
            (place, verdicts)
        });
    }
    let mut all = clients.join_all().await;
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().flat_map(|(_, verdicts)| verdicts).collect()
}

/// Logs in with each app once.
async fn log_in(app: &Arc<App>, apps: &[Totp]) {
    let mut clients = JoinSet::new();
    for chunk in apps.chunks(apps.len().div_ceil(CLIENTS)) {
        let (app, chunk) = (Arc::clone(app), chunk.to_vec());
        clients.spawn(async move {
            for totp in &chunk {
                let code = totp.code(app.local.clock.now(), 0);
                assert_eq!(guess(&app, totp, [code]).await, [true], "{}", totp.id);
            }
        });
    }
    clients.join_all().await;
}

/// Imports, exports and imports again `count` users. Each command is killed ten times.
async fn travels(count: usize, longest: Duration) {
    let mut rng = OsEntropy.rng().unwrap();
    let (from, to) = (Desk::new(), Desk::new());
    let (app, other) = (Arc::new(from.serve().await), Arc::new(to.serve().await));
    stop_clocks(&app, &other);
    let (secrets, lines) = users(count, &mut rng);
    let path = from.file("users.ndjson", &lines);
    let command = |desk: &Desk, path: &Path, more: &str| {
        format!(
            "import {} --environment local --local {} --rate 1000 {more}",
            path.display(),
            desk.dir().display()
        )
    };
    let repeats = |round: usize, report: &Path| {
        // Every other run does not know of the ones before it.
        if round.is_multiple_of(2) {
            format!("--report {}-{round}", report.display())
        } else {
            format!("--resume --report {}", report.display())
        }
    };
    let report = path.with_file_name("report.ndjson");
    let line = |round| command(&from, &path, &repeats(round, &report));
    let memory = tokio::task::block_in_place(|| killed_ten_times(line, longest, &mut rng));
    let report = lines_of(&report.with_file_name("report.ndjson-10"));
    let ids: Vec<&str> = report.iter().map(|line| line["factor_id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), count);
    assert_eq!(factors_in(&app).await, count, "nothing is there twice");
    let apps: Vec<Totp> = ids
        .iter()
        .zip(&secrets)
        .map(|(id, secret)| Totp { id: (*id).to_owned(), secret: secret.clone() })
        .collect();
    log_in(&app, &apps).await;

    let (key, recipient) = super::export::age_identity(&from);
    let dir = from.dir().with_file_name("export");
    let export = format!(
        "export --environment local --local {} --output {} --recipient {recipient} --file-size {}",
        from.dir().display(),
        dir.display(),
        count / 10
    );
    let exported = tokio::task::block_in_place(|| {
        for round in 0..10 {
            let mut process = start(&export);
            std::thread::sleep(longest.mul_f64(f64::from(round) / 10.0));
            process.kill().unwrap();
            process.wait().unwrap();
            if state(&dir).is_some_and(|state| state["complete"] == true) {
                return "not measured".to_owned();
            }
        }
        finish(start(&export))
    });
    let exported_state = state(&dir).unwrap();
    assert_eq!(exported_state["factors"], count);
    assert!(exported_state["parts"].as_u64().unwrap() > 5, "{exported_state}");

    let more = format!("--keep-ids --identity {key}");
    let report = to.dir().with_file_name("report.ndjson");
    let line = |round| command(&to, &dir, &format!("{more} {}", repeats(round, &report)));
    let again = tokio::task::block_in_place(|| killed_ten_times(line, longest, &mut rng));
    assert_eq!(factors_in(&other).await, count);
    assert_eq!(lines_of(&report.with_file_name("report.ndjson-10")).len(), count, "no line is there twice");
    // Both clocks have stood still since the login, so its code is a replay on both sides.
    let [here, there] = [verdicts(&app, &apps).await, verdicts(&other, &apps).await];
    assert_eq!(here, there);
    assert!(here.iter().all(|verdicts| *verdicts == [false, false, true]));
    report_memory(count, [&memory, &exported, &again]);
    for app in [app, other] {
        Arc::into_inner(app).unwrap().local.stop().await;
    }
}

#[expect(clippy::print_stdout, reason = "shown with --nocapture")]
fn report_memory(count: usize, [import, export, again]: [&str; 3]) {
    println!("peak memory with {count} factors: import {import}, export {export}, import again {again}");
}

/// Stops both clocks in the middle of the same TOTP step.
pub(super) fn stop_clocks(app: &App, other: &App) {
    app.local.clock.freeze();
    other.local.clock.freeze();
    let seconds = |app: &App| i64::try_from(app.local.clock.now().seconds()).unwrap();
    let middle = seconds(app).max(seconds(other)) / 30 * 30 + 45;
    for app in [app, other] {
        app.advance(middle - seconds(app));
    }
}

/// The state of an export, if it has one.
fn state(dir: &Path) -> Option<Value> {
    let text = std::fs::read(dir.join("export.json")).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

async fn factors_in(app: &App) -> usize {
    app.dump().await.iter().filter(|item| item["sk"].as_s().is_ok_and(|sk| sk == "factor")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_killed_at_any_moment_and_repeated_loses_and_doubles_nothing() {
    travels(100, Duration::from_millis(600)).await;
}

/// Takes minutes: `cargo test --locked -p tests --test it -- --ignored --nocapture ten_thousand`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "ten thousand factors"]
async fn ten_thousand_secrets_are_imported_exported_and_imported_again_with_the_same_verdicts() {
    travels(10_000, Duration::from_secs(20)).await;
}
