//! Files that other projects wrote by their own code (`tests/formats/run`), and their users, who log in as before.

use super::{Desk, SECRET, secret};
use serde_json::{Value, json};
use shared::domain::totp::Secret;
use std::fs;
use zeroize::Zeroizing;

/// Imports a fixture. `expected` has, for each entry, the user who then logs in with the secret, or the reason of its refusal.
async fn import(fixture: &str, format: &str, expected: &[Result<(&str, &Secret), &str>]) -> Vec<Value> {
    let desk = Desk::new();
    let app = desk.serve().await;
    let text = fs::read_to_string(format!("{}/it/cli/import/fixtures/{fixture}", env!("CARGO_MANIFEST_DIR")))
        .unwrap();
    let ended = desk.import(&text, "").await;
    ended.err_has(&format!("format: {format} (detected"));
    let report = desk.report();
    assert_eq!(report.len(), expected.len(), "{fixture}: {report:?}");
    let mut factors = Vec::new();
    for (line, expected) in report.iter().zip(expected) {
        match expected {
            Err(reason) => assert_eq!(line["reason"], *reason, "{fixture}"),
            Ok((user, secret)) => {
                assert_eq!(
                    (&line["user_id"], &line["outcome"]),
                    (&json!(user), &json!("created")),
                    "{fixture}"
                );
                let user = percent_encoding::utf8_percent_encode(user, percent_encoding::NON_ALPHANUMERIC)
                    .to_string();
                assert!(app.app_logs_in(&user, secret).await, "{fixture}: {user}");
                factors.extend(app.factors_of(&user).await);
            }
        }
    }
    // The same file again is the same factors.
    let again = desk.import(&text, "").await;
    again.out_has(&format!("created: 0; imported before: {}; different: 0", factors.len()));
    app.local.stop().await;
    factors
}

fn bytes(text: &str) -> Secret {
    Secret::from_bytes(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
}

fn totp(factor: &Value) -> (&str, &str) {
    (factor["totp"]["issuer"].as_str().unwrap(), factor["totp"]["user"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn keycloak() {
    // What `OTPCredentialModel.getDecodedSecret` returns for the two.
    let (first, second) = (bytes("qWmYhkWnSvNbUxmZ4c2p"), secret(SECRET));
    let user = |n: u8| format!("7b9a8f0e-6d3b-4f0a-9c55-3f2f6c1d100{n}");
    let (one, two) = (user(1), user(2));
    let expected = [
        Ok((&*one, &first)),
        Ok((&*two, &second)),
        Err("algorithm_not_supported"),
        Err("digits_not_supported"),
        Err("period_not_supported"),
        Err("not_totp"),
    ];
    let factors = import("keycloak.json", "keycloak", &expected).await;
    assert_eq!(
        (totp(&factors[0]), &factors[0]["created_at"]),
        (("local", "user1"), &json!("2024-05-06T07:08:09.123Z"))
    );
    assert_eq!(factors[0]["name"], "phone 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn authelia() {
    let secret = secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA");
    let expected = [
        Ok(("alice", &secret)),
        Err("algorithm_not_supported"),
        Err("digits_not_supported"),
        Err("period_not_supported"),
    ];
    let factors = import("authelia.yml", "authelia", &expected).await;
    assert_eq!(
        (totp(&factors[0]), &factors[0]["created_at"]),
        (("shop.example.com", "alice"), &json!("2024-05-06T07:08:09.000Z"))
    );
    let factors = import("authelia.csv", "authelia", &expected).await;
    assert_eq!(totp(&factors[0]), ("shop.example.com", "alice"));
    let factors = import("otpauth-authelia.txt", "otpauth", &expected).await;
    assert_eq!(totp(&factors[0]), ("shop.example.com", "alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn privacyidea() {
    let secret = bytes("12345678901234567890");
    let expected = [
        Ok(("alice@shop", &secret)),
        Err("digits_not_supported"),
        Err("period_not_supported"),
        Err("algorithm_not_supported"),
        Err("not_totp"),
        Err("missing_field"),
    ];
    import("privacyidea.csv", "oath", &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_authenticator() {
    let secret = secret(SECRET);
    let expected = [
        Ok(("alice@example.com", &secret)),
        Ok(("jürgen b", &secret)),
        Err("algorithm_not_supported"),
        Err("digits_not_supported"),
        Err("not_totp"),
    ];
    let factors = import("google.txt", "google", &expected).await;
    assert_eq!(
        factors.iter().map(totp).collect::<Vec<_>>(),
        [("Foo & Corp", "alice@example.com"), ("Foo & Corp", "jürgen b")]
    );
}

/// An export of several QR codes is complete only with all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_qr_code_of_google_authenticator_is_named() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/it/cli/import/fixtures/google.txt"))
        .unwrap();
    // Some scanners turn the plus of Base64 into a space, and percent-encode nothing.
    let first = text.lines().next().unwrap().replace("%3D", "=").replace("%2B", " ");
    let ended = desk.import(&first, "").await;
    assert_eq!(ended.code, 1);
    ended.err_has("QR code 2 of 2 of the export is missing");
    ended.out_has("created: 2; imported before: 0; different: 0; refused: 2");
    ended.out_has("batch_missing: 1");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn otpauth_uris_of_three_encoders() {
    let (long, short) = (secret(SECRET), secret("JBSWY3DPEHPK3PXP"));
    let (alice, juergen) = ("alice@example.com", "jürgen b");
    let otplib = [Ok((alice, &long)), Ok((juergen, &short)), Err("algorithm_not_supported")];
    let pyotp = [
        Ok((alice, &long)),
        Ok((juergen, &short)),
        Err("digits_not_supported"),
        Err("period_not_supported"),
        Err("not_totp"),
    ];
    // It writes `issuer=Foo%20&%20Corp`.
    let pquerna = [Ok((alice, &long)), Ok((juergen, &long))];
    for (fixture, expected) in [
        ("otpauth-otplib.txt", &otplib[..]),
        ("otpauth-pyotp.txt", &pyotp),
        ("otpauth-pquerna.txt", &pquerna),
    ] {
        let factors = import(fixture, "otpauth", expected).await;
        assert_eq!(
            factors.iter().map(totp).collect::<Vec<_>>(),
            [("Foo & Corp", alice), ("Foo & Corp", juergen)],
            "{fixture}"
        );
    }
}
