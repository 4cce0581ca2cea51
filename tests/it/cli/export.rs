//! `latchkey export`: everything an owner needs to leave, encrypted, in parts that an interrupted export continues with.

use super::Desk;
use super::import::{SECRET, lines_of, secret};
use age::secrecy::ExposeSecret as _;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A new age identity: its file and its recipient.
pub(super) fn age_identity(desk: &Desk) -> (String, String) {
    let identity = age::x25519::Identity::generate();
    let path = desk.file("key.txt", identity.to_string().expose_secret());
    (path.display().to_string(), identity.to_public().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_encrypted_private_and_complete() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let uri = format!("otpauth://totp/Foo%20Corp:alice?secret={SECRET}");
    assert_eq!(desk.import(&uri, "").await.code, 0);
    let sms = app.enroll(json!({"type": "sms", "phone_number": "+15005550006", "user_id": "bob"})).await;
    let generic = app.enroll(json!({"type": "generic_otp", "name": "Mail: work"})).await;
    let recovery = app.recovery_codes("alice", json!({})).await;
    assert!(app.app_logs_in("alice", &secret(SECRET)).await);
    app.other_environment().await;

    let (key, recipient) = age_identity(&desk);
    let dir = desk.dir().with_file_name("export");
    let line = format!("export --environment local --output {}", dir.display());
    let ended = desk.ended(0, &format!("{line} --recipient {recipient}")).await;
    ended.out_has("factors exported: 3, in 1 files of");
    ended.out_has("users whose recovery codes cannot be moved, and who need new ones: 1");
    let changes = ended.changes();
    assert_eq!(
        (&changes[0]["event"], &changes[1]["event"]),
        (&json!("export.started"), &json!("factors.exported"))
    );
    assert_eq!((&changes[1]["factors"], &changes[1]["recipients"]), (&json!(3), &json!([recipient])));
    let part = dir.join("part-000001.ndjson.age");
    for path in [&part, &dir.join("export.json")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    let ended = desk.ended(1, &format!("{line} --recipient {recipient}")).await;
    ended.err_has("has a complete export. Name another directory");
    let ended = desk.ended(1, &format!("{line} --plaintext-secrets")).await;
    ended.err_has("was not written by this export");

    // In the clear only if asked for.
    let clear = desk.dir().with_file_name("clear");
    let line = format!("export --environment local --output {}", clear.display());
    assert_eq!(desk.type_in(&line).await.code, 2);
    assert_eq!(desk.type_in(&format!("{line} --recipient age1foo")).await.code, 2);
    let ended = desk.ended(0, &format!("{line} --plaintext-secrets")).await;
    ended.out_has("The files are not encrypted.");
    assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET));
    let mut lines = lines_of(&clear.join("part-000001.ndjson"));
    lines.sort_by_key(|line| line["type"].to_string());
    let created_at = &lines[0]["created_at"];
    assert_eq!(
        lines[0],
        json!({"id": generic, "type": "generic_otp", "name": "Mail: work", "created_at": created_at, "verified": false})
    );
    let created_at = &lines[1]["created_at"];
    assert_eq!(
        lines[1],
        json!({"type": "recovery_codes", "user_id": "alice", "total": 10, "remaining": 10, "created_at": created_at})
    );
    let text = fs::read_to_string(clear.join("part-000001.ndjson")).unwrap();
    assert!(recovery.iter().all(|code| !text.contains(code) && !text.contains(&code.replace('-', ""))));
    assert_eq!((&lines[2]["id"], &lines[2]["phone_number"]), (&json!(sms), &json!("+15005550006")));
    let totp = &lines[3];
    assert_eq!(
        (&totp["secret"], &totp["issuer"], &totp["user"], &totp["user_id"], &totp["verified"]),
        (&json!(SECRET), &json!("Foo Corp"), &json!("alice"), &json!("alice"), &json!(true))
    );
    assert!(totp["guard"]["last_step"].is_u64() && totp["guard"]["last_used_at"].is_string());

    // Encrypted and clear are the same to an import. It names the recovery codes that it cannot have.
    let encrypted = desk
        .ended(
            1,
            &format!("import {} --environment local --dry-run --keep-ids --identity {key}", dir.display()),
        )
        .await;
    let plain =
        desk.ended(1, &format!("import {} --environment local --dry-run --keep-ids", clear.display())).await;
    assert_eq!(encrypted.out, plain.out);
    encrypted.out_has("would be created: 0; imported before: 3");
    let ended = desk.ended(1, &format!("import {} --environment local --dry-run", dir.display())).await;
    ended.err_has("is encrypted");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_uris_counts_what_has_none() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let uri = format!(
        "otpauth://totp/Foo%20Corp:alice?secret={SECRET}&issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30"
    );
    assert_eq!(desk.import(&uri, "").await.code, 0);
    app.enroll(json!({"type": "generic_otp", "user_id": "bob"})).await;
    let dir = desk.dir().with_file_name("uris");
    let line =
        format!("export --environment local --output {} --format otpauth --plaintext-secrets", dir.display());
    let ended = desk.ended(0, &line).await;
    ended.out_has("factors that this format cannot have: 1");
    assert_eq!(fs::read_to_string(dir.join("part-000001.txt")).unwrap().trim(), uri);
    app.local.stop().await;
}

/// A damaged factor is named, and the others are exported.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_names_what_it_cannot_read() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let uris = format!(
        "otpauth://totp/Foo:alice?secret={SECRET}\notpauth://totp/Foo:bob?secret={SECRET}\notpauth://totp/Foo:carol?secret={SECRET}"
    );
    assert_eq!(desk.import(&uris, "").await.code, 0);
    let [alice, bob] =
        [0, 1].map(|line: usize| desk.report()[line]["factor_id"].as_str().unwrap().to_owned());
    app.damage(&alice, "type", aws_sdk_dynamodb::types::AttributeValue::S("other".to_owned())).await;
    app.damage(&bob, "secret", aws_sdk_dynamodb::types::AttributeValue::B(vec![1; 49].into())).await;
    let dir = desk.dir().with_file_name("export");
    let ended = desk
        .ended(1, &format!("export --environment local --output {} --plaintext-secrets", dir.display()))
        .await;
    ended.out_has("factors exported: 1, in 1 files of");
    ended.err_has("2 factors were not exported. The first: auth_factor_");
    ended.err_has("latchkey factors delete ID --environment local");
    app.local.stop().await;
}
