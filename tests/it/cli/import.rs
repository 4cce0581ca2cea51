//! `latchkey import`: what a file has becomes factors, once, and nothing else.

mod formats;
mod refusals;

use super::{Desk, Ended};
use crate::app::{App, Totp};
use serde_json::{Value, json};
use shared::domain::totp::Secret;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

impl Desk {
    /// Writes a file next to the data directory.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().with_file_name(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// `latchkey import` of a text. No output may have a secret of it.
    pub(super) async fn import(&self, text: &str, options: &str) -> Ended {
        let path = self.file("import.txt", text);
        let _ = fs::remove_file(path.with_file_name("import.txt.report.ndjson"));
        self.type_in(&format!("import {} --environment local {options}", path.display())).await
    }

    /// The report of the last import.
    pub(super) fn report(&self) -> Vec<Value> {
        lines_of(&self.dir().with_file_name("import.txt.report.ndjson"))
    }
}

impl App {
    /// The factors of a user.
    pub(super) async fn factors_of(&self, user: &str) -> Vec<Value> {
        let list = self.get(&format!("/auth/factors?user_id={user}&limit=100"), 200).await;
        list["data"].as_array().unwrap().clone()
    }

    /// Whether the authenticator app with this secret logs in as the only factor of a user.
    pub(super) async fn app_logs_in(&self, user: &str, secret: &Secret) -> bool {
        let factors = self.factors_of(user).await;
        assert_eq!(factors.len(), 1, "{factors:?}");
        let totp = Totp { id: factors[0]["id"].as_str().unwrap().to_owned(), secret: secret.clone() };
        self.logs_in(&totp).await
    }
}

/// The lines of an NDJSON file.
pub(super) fn lines_of(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

pub(super) fn secret(base32: &str) -> Secret {
    Secret::from_base32(base32).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_app_logs_in_and_a_second_import_creates_nothing() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let lines = [
        json!({"user_id": "alice", "type": "totp", "secret": SECRET, "issuer": "Foo Corp", "user": "alice@example.com",
               "created_at": "2024-05-06T07:08:09.123Z", "external_id": "7"}),
        json!({"user_id": "bob", "type": "sms", "phone_number": "+15005550006"}),
        json!({"user_id": "carol", "type": "generic_otp", "external_id": "mail of carol"}),
    ];
    let text = lines.map(|line| line.to_string()).join("\n");
    let first = desk.import(&text, "").await;
    assert_eq!(
        (first.code, first.out.lines().next()),
        (0, Some("created: 3; imported before: 0; different: 0; refused: 0")),
        "{}",
        first.err
    );
    first.err_has("format: ndjson (detected");
    let changes = first.changes();
    assert_eq!((&changes[0]["event"], &changes[0]["factors"]), (&json!("factors.imported"), &json!(3)));

    // The report maps each line to its factor, and only its owner can read it.
    let report = desk.report();
    let factor = app.get(&format!("/auth/factors/{}", report[0]["factor_id"].as_str().unwrap()), 200).await;
    assert_eq!(
        (&factor["user_id"], &factor["created_at"], &factor["totp"]),
        (
            &json!("alice"),
            &json!("2024-05-06T07:08:09.123Z"),
            &json!({"issuer": "Foo Corp", "user": "alice@example.com"})
        )
    );
    assert_eq!(
        (&report[0]["line"], &report[0]["external_id"], &report[0]["outcome"]),
        (&json!(1), &json!("7"), &json!("created"))
    );
    assert_eq!((report.len(), &report[2]["external_id"]), (3, &json!("mail of carol")));
    let path = desk.dir().with_file_name("import.txt.report.ndjson");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    assert!(app.app_logs_in("alice", &secret(SECRET)).await);
    let before = app.dump().await;
    let again = desk.import(&text, "").await;
    assert_eq!(again.out.lines().next(), Some("created: 0; imported before: 3; different: 0; refused: 0"));
    assert!(again.changes().is_empty());
    let ids = |report: &[Value]| report.iter().map(|line| line["factor_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&desk.report()), ids(&report));
    assert_eq!(before.len(), app.dump().await.len());
    for ended in [first, again] {
        assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET));
    }
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let before = app.dump().await.len();
    let lines = format!(
        "otpauth://totp/Foo:alice?secret={SECRET}\notpauth://totp/Foo:bob?secret=JBSWY3DPEHPK3PXP&digits=8\n\
         otpauth://totp/Foo:carol?secret=JBSWY3DPEHPK3PXP\n"
    );
    let ended = desk.import(&lines, "--dry-run").await;
    assert_eq!(ended.code, 1, "one would be refused");
    insta::assert_snapshot!(ended.out, @r"
    would be created: 2; imported before: 0; different: 0; refused: 1
      digits_not_supported: 1
    secrets with fewer than 128 bits: 1 (docs/SECURITY.md#short-secrets)
    ");
    insta::assert_snapshot!(ended.err, @r"
    format: otpauth (detected; --format selects another)
    entry 2: the number of digits is 8, and only 6 can be imported
    latchkey: 1 entries were refused and 0 differ from what was imported before. Write a report that names them: --report FILE
    ");
    assert_eq!(app.dump().await.len(), before);
    assert!(!desk.dir().with_file_name("import.txt.report.ndjson").exists());
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_is_never_replaced_and_a_report_never_overwritten() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let line = |secret: &str, user: &str| {
        json!({"user_id": user, "type": "totp", "secret": secret, "external_id": "1"}).to_string()
    };
    assert_eq!(desk.import(&line(SECRET, "alice"), "").await.code, 0);
    for other in [line("JBSWY3DPEHPK3PXP", "alice"), line(SECRET, "bob")] {
        let ended = desk.import(&other, "").await;
        assert_eq!(ended.code, 1);
        ended.out_has("created: 0; imported before: 0; different: 1; refused: 0");
        ended.err_has("exists with another user, secret or phone number");
        assert_eq!(desk.report()[0]["outcome"], "differs");
    }
    assert!(app.app_logs_in("alice", &secret(SECRET)).await);

    let path = desk.file("import.txt", &line(SECRET, "alice"));
    let ended = desk.type_in(&format!("import {} --environment local", path.display())).await;
    assert_eq!(ended.code, 1);
    ended.err_has("import.txt.report.ndjson exists. To continue the import that wrote it: --resume.");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_continues_where_its_report_ends() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let lines: Vec<String> =
        (0..6).map(|n| json!({"user_id": format!("u{n}"), "type": "generic_otp"}).to_string()).collect();
    let path = desk.file("import.txt", &lines[..3].join("\n"));
    let command = format!("import {} --environment local --resume", path.display());
    desk.ended(0, &command).await;
    let report = path.with_file_name("import.txt.report.ndjson");
    let deleted = lines_of(&report)[1]["factor_id"].as_str().unwrap().to_owned();
    // A line that was being written when the process was killed.
    fs::write(&report, fs::read_to_string(&report).unwrap() + "{\"line\":4,\"exter").unwrap();
    app.delete(&format!("/auth/factors/{deleted}"), 204).await;

    desk.file("import.txt", &lines.join("\n"));
    let ended = desk.ended(0, &command).await;
    ended.out_has("created: 6; imported before: 0");
    assert_eq!(ended.changes()[0]["factors"], 3, "by this run");
    assert_eq!(lines_of(&report).len(), 6);
    // What was deleted since is not created again.
    app.get(&format!("/auth/factors/{deleted}"), 404).await;

    // Another file.
    desk.file("import.txt", &lines[1..].join("\n"));
    let ended = desk.ended(1, &command).await;
    ended.err_has("is not the report of this file, or the file was changed: they differ at entry 1");
    app.local.stop().await;
}

/// OTP-03
#[tokio::test(flavor = "multi_thread")]
async fn a_short_secret_is_counted_and_marked() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let uri = "otpauth://totp/Foo:alice?secret=JBSWY3DPEHPK3PXP";
    let ended = desk.import(uri, "--json").await;
    let tally: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&tally["created"], &tally["short_secrets"]), (&json!(1), &json!(1)));
    assert_eq!(desk.report()[0]["short_secret_bits"], 80);
    assert!(app.app_logs_in("alice", &secret("JBSWY3DPEHPK3PXP")).await);
    let id = desk.report()[0]["factor_id"].as_str().unwrap().to_owned();
    let shown = desk.ended(0, &format!("factors show {id} --environment local")).await;
    shown.out_has("80 bits, short: see docs/SECURITY.md#short-secrets");
    let shown = desk.json(&format!("factors show {id} --environment local")).await;
    assert_eq!((&shown["secret_bits"], &shown["short_secret"]), (&json!(80), &json!(true)));
    app.local.stop().await;
}
