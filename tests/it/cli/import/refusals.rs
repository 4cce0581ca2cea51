//! What cannot be imported is refused by its line and its name, and the rest is imported. Nothing is guessed, and no message
//! has a secret.

use super::{Desk, SECRET};
use serde_json::json;

/// The reasons for which the lines of a file are refused, and its only user who is imported.
async fn reasons(text: &str, options: &str) -> Vec<String> {
    let desk = Desk::new();
    let app = desk.serve().await;
    let ended = desk.import(text, options).await;
    let report = desk.report();
    for secret in [
        SECRET,
        "12345678901234567890",
        "3132333435363738393031323334353637383930",
        "PLACEHOLDERSECRET",
        "JBSWY3DPEHPK3",
    ] {
        assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "{}", ended.err);
        assert!(!report.iter().any(|line| line.to_string().contains(secret)), "{report:?}");
    }
    app.local.stop().await;
    let name = |line: &serde_json::Value| {
        line.get("reason").unwrap_or(&line["outcome"]).as_str().unwrap().to_owned()
    };
    report.iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_lines() {
    let good = |extra: serde_json::Value| {
        let mut line = json!({"user_id": "u", "type": "totp", "secret": SECRET, "external_id": "1"});
        line.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        line.to_string()
    };
    let lines = [
        (good(json!({})), "created"),
        (good(json!({"algorithm": "SHA1", "digits": 6, "period": 30})), "existing"),
        (good(json!({"algorithm": "SHA256"})), "algorithm_not_supported"),
        (good(json!({"digits": 8})), "digits_not_supported"),
        (good(json!({"period": 60})), "period_not_supported"),
        (good(json!({"secret": "PLACEHOLDERSECRET1"})), "secret_not_base32"),
        (good(json!({"secret": "JBSWY3DPEHPK3"})), "secret_not_base32"),
        (good(json!({"secret": "JBSWY3DP"})), "secret_too_short"),
        (good(json!({"secret": "A".repeat(32)})), "secret_one_byte_repeated"),
        (good(json!({"secret": "MFRGGZDF".repeat(13)})), "secret_too_long"),
        (good(json!({"secret": null})), "missing_field"),
        (good(json!({"secret": 12_345_678})), "malformed"),
        (good(json!({"user_id": "a\nb"})), "invalid_field"),
        (good(json!({"issuer": "Foo:Corp"})), "invalid_field"),
        (good(json!({"user": "\u{202e}alice"})), "invalid_field"),
        (good(json!({"created_at": "yesterday"})), "invalid_field"),
        (good(json!({"external_id": "x".repeat(1025)})), "invalid_field"),
        (good(json!({"id": "auth_factor_1"})), "invalid_field"),
        (good(json!({"usr_id": "u"})), "unknown_field"),
        (good(json!({"guard": {"failures": -1}})), "malformed"),
        (good(json!({"guard": {"locked_until": "soon"}})), "invalid_field"),
        (good(json!({"type": "webauthn"})), "factor_type_not_supported"),
        (json!({"type": "recovery_codes", "user_id": "u"}).to_string(), "recovery_codes"),
        (
            json!({"type": "sms", "user_id": "u", "phone_number": "555-0100"}).to_string(),
            "phone_number_not_supported",
        ),
        (json!({"type": "sms", "user_id": "u"}).to_string(), "missing_field"),
        (json!({"type": "generic_otp"}).to_string(), "missing_field"),
        (format!("{{\"type\":\"totp\",\"secret\":\"{SECRET}"), "malformed"),
        (format!("\"{SECRET}\""), "malformed"),
    ];
    let text = lines.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
    assert_eq!(reasons(&text, "").await, lines.map(|(_, reason)| reason));
    assert_eq!(reasons(&good(json!({})), "--keep-ids").await, ["missing_field"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn otpauth_uris() {
    let lines = [
        (format!("otpauth://totp/Foo:a?secret={SECRET}"), "created"),
        (
            format!("otpauth://totp/Foo:a?SECRET={}&issuer=Foo&Algorithm=sha1", SECRET.to_lowercase()),
            "existing",
        ),
        (format!("otpauth://totp/Foo:a?secret={SECRET}&algorithm=SHA512"), "algorithm_not_supported"),
        (format!("otpauth://totp/Foo:a?secret={SECRET}&algorithm={SECRET}"), "algorithm_not_supported"),
        (format!("otpauth://totp/Foo:a?secret={SECRET}&period={SECRET}"), "period_not_supported"),
        (format!("otpauth://hotp/Foo:a?secret={SECRET}&counter=0"), "not_totp"),
        (format!("otpauth://steam/Foo:a?secret={SECRET}"), "not_totp"),
        (format!("otpauth://totp/Foo:a?secret={SECRET}&secret={SECRET}"), "malformed"),
        ("otpauth://totp/Foo:a?issuer=Foo".to_owned(), "missing_field"),
        (format!("otpauth://totp/?secret={SECRET}"), "missing_field"),
        (format!("otpauth://totp/%FF?secret={SECRET}"), "malformed"),
        (format!("totp/Foo:a?secret={SECRET}"), "malformed"),
    ];
    let text = lines.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
    assert_eq!(reasons(&text, "").await, lines.map(|(_, reason)| reason));
}

/// The trap of OATH CSV: the hash is not written, and privacyIDEA derives it from the length of the key.
#[tokio::test(flavor = "multi_thread")]
async fn oath_csv() {
    let key = "3132333435363738393031323334353637383930";
    let lines = [
        (format!("alice@realm, T1, {key}, TOTP, 6, 30"), "created"),
        (format!("bob,resolver,realm,T2,{key},totp,6,30"), "created"),
        (format!("alice@realm, T3, {key}, TOTP, 8, 30"), "digits_not_supported"),
        (format!("alice@realm, T4, {key}, TOTP, 6, 60"), "period_not_supported"),
        (
            format!("alice@realm, T5, {}, TOTP, 6, 30", "0f".repeat(16) + &"a1".repeat(16)),
            "algorithm_not_supported",
        ),
        (format!("alice@realm, T6, {}, TOTP, 6, 30", "0fa1".repeat(32)), "algorithm_not_supported"),
        (format!("alice@realm, T7, {SECRET}, TOTP, 6, 30"), "malformed"),
        (format!("n/a, T8, {key}, TOTP, 6, 30"), "missing_field"),
        (format!("T9, {key}, totp, 6, 30"), "missing_field"),
        (format!("alice@realm, T10, {key}, HOTP, 6"), "not_totp"),
        (format!("alice@realm, T11, {key}"), "malformed"),
    ];
    let text = lines.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
    assert_eq!(reasons(&text, "").await, lines.map(|(_, reason)| reason));
}

/// The trap of Supabase: rows that were never verified, and secrets that are encrypted.
#[tokio::test(flavor = "multi_thread")]
async fn supabase_rows() {
    let header =
        "id,user_id,friendly_name,factor_type,status,created_at,updated_at,secret,phone,last_challenged_at";
    let row = |id: u8, kind: &str, status: &str, secret: &str, phone: &str| {
        format!(
            "{id},u{id},My phone,{kind},{status},2024-05-06 07:08:09.123456+00,2024-05-06 07:08:09+00,{secret},{phone},"
        )
    };
    let encrypted = "\"{\"\"key_id\"\":\"\"k\"\",\"\"alg\"\":\"\"aes-gcm-hkdf\"\",\"\"data\"\":\"\"PLACEHOLDERSECRET\"\",\"\"nonce\"\":\"\"n\"\"}\"";
    let lines = [
        (row(1, "totp", "verified", SECRET, ""), "created"),
        (row(2, "phone", "verified", "", "15005550006"), "created"),
        (row(3, "totp", "unverified", SECRET, ""), "not_verified"),
        (row(4, "totp", "verified", encrypted, ""), "secret_encrypted"),
        (row(5, "webauthn", "verified", "", ""), "factor_type_not_supported"),
        (row(6, "recovery_code", "verified", "", ""), "recovery_codes"),
        (row(7, "totp", "verified", SECRET, "") + ",one,more", "malformed"),
    ];
    let rows = lines.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
    assert_eq!(reasons(&format!("{header}\n{rows}\n"), "").await, lines.map(|(_, reason)| reason));
    let as_json = json!([
        {"id": "1", "user_id": "u", "factor_type": "totp", "status": "verified", "secret": SECRET, "created_at": "2024-05-06T07:08:09Z"},
        {"id": "2", "user_id": "u", "factor_type": "totp", "status": "unverified", "secret": SECRET},
    ]);
    assert_eq!(reasons(&as_json.to_string(), "").await, ["created", "not_verified"]);
}

/// The trap of Keycloak: the key is the bytes of the text, unless `secretEncoding` says Base32.
#[tokio::test(flavor = "multi_thread")]
async fn keycloak_realms() {
    let credential = |kind: &str, secret: &str, data: serde_json::Value| {
        let secret = json!({"value": secret}).to_string();
        json!({"type": kind, "secretData": secret, "credentialData": data.to_string()})
    };
    let totp = |extra: serde_json::Value| {
        let mut data =
            json!({"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"});
        data.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        data
    };
    let text = "12345678901234567890";
    let credentials = [
        (credential("password", "PLACEHOLDERSECRET", json!({"hashIterations": 1})), None),
        (credential("otp", text, totp(json!({}))), Some("created")),
        (credential("otp", SECRET, totp(json!({"secretEncoding": "BASE32"}))), Some("existing")),
        (credential("otp", text, totp(json!({"algorithm": "HmacSHA256"}))), Some("algorithm_not_supported")),
        (credential("otp", text, totp(json!({"digits": 8}))), Some("digits_not_supported")),
        (credential("otp", text, totp(json!({"period": 20}))), Some("period_not_supported")),
        (credential("otp", text, totp(json!({"secretEncoding": "BASE64"}))), Some("invalid_field")),
        (credential("otp", text, totp(json!({"subType": "hotp"}))), Some("not_totp")),
        (credential("otp", "short", totp(json!({}))), Some("secret_too_short")),
        (credential("recovery-authn-codes", text, json!({})), Some("recovery_codes")),
        (credential("webauthn", "", json!({})), Some("factor_type_not_supported")),
        (
            json!({"type": "otp", "secretData": "{", "credentialData": totp(json!({})).to_string()}),
            Some("malformed"),
        ),
    ];
    let listed: Vec<_> = credentials.iter().map(|(credential, _)| credential).collect();
    let realm = json!({"realm": "foo", "enabled": true, "users": [{"id": "u", "username": "alice", "credentials": listed}]});
    let expected: Vec<_> = credentials.iter().filter_map(|(_, reason)| *reason).collect();
    assert_eq!(reasons(&serde_json::to_string_pretty(&realm).unwrap(), "").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_documents() {
    let auth0 = json!([
        {"user_id": "auth0|1", "email": "a@example.com", "mfa_factors": [
            {"totp": {"secret": SECRET}}, {"phone": {"value": "+15005550006"}}, {"email": {"value": "a@example.com"}}]},
        {"email": "b@example.com", "mfa_factors": [{"totp": {"secret": SECRET}}]},
        {"user_id": "auth0|3", "email": "c@example.com"},
        {"user_id": 4, "mfa_factors": []},
    ]);
    let expected = ["created", "created", "factor_type_not_supported", "missing_field", "malformed"];
    assert_eq!(reasons(&auth0.to_string(), "").await, expected);

    let kratos = json!([
        {"id": "i1", "schema_id": "default", "credentials": {
            "totp": {"type": "totp", "config": {"totp_url": format!("otpauth://totp/Foo:a?secret={SECRET}")}, "created_at": "2024-05-06T07:08:09Z"},
            "lookup_secret": {"config": {"recovery_codes": [{"code": "PLACEHOLDERSECRET"}]}}}},
        {"id": "i2", "schema_id": "default", "credentials": {"totp": {"type": "totp"}, "password": {}}},
        {"id": "i3", "schema_id": "default"},
    ]);
    assert_eq!(reasons(&kratos.to_string(), "").await, ["created", "recovery_codes", "missing_field"]);

    // Base64 of the Base32 text; Base32 itself is not that.
    let authelia = "totp_configurations:\n  - {username: a, issuer: Foo, algorithm: SHA1, digits: 6, period: 30, \
                    secret: R0VaREdOQlZHWTNUUU9KUUdFWkRHTkJWR1kzVFFPSlE=}\n  - {username: b, secret: '!'}\n  \
                    - {username: c, algorithm: SHA256, secret: R0VaREdOQlZHWTNUUU9KUUdFWkRHTkJWR1kzVFFPSlE=}\n";
    assert_eq!(reasons(authelia, "").await, ["created", "malformed", "algorithm_not_supported"]);
    // Not quoted by Authelia: a comma moves the cells.
    let authelia = format!(
        "issuer,username,algorithm,digits,period,secret\nFoo,a,SHA1,6,30,{SECRET}\nFoo, Corp,a,SHA1,6,30,{SECRET}\n"
    );
    assert_eq!(reasons(&authelia, "").await, ["created", "malformed"]);

    let csv = format!("user_id,secret,issuer\na,{SECRET},\"Foo, Corp\"\n,{SECRET},Foo\nb,{SECRET}\n");
    assert_eq!(reasons(&csv, "").await, ["created", "missing_field", "malformed"]);
    assert_eq!(reasons(&format!("user_id,secret,algo\na,{SECRET},SHA1\n"), "").await, ["unknown_field"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_no_format_or_of_another_one_says_so_without_its_content() {
    let desk = Desk::new();
    let app = desk.serve().await;
    for (text, options, message) in [
        (SECRET.to_owned(), "", "was not recognized. Name it with --format"),
        (String::new(), "", "was not recognized. Name it with --format"),
        (format!("[{{\"secret\":\"{SECRET}\",]"), "--format auth0", "line 1: not JSON"),
        (format!("a: [{SECRET}"), "--format authelia", "not the YAML that Authelia exports"),
        ("age-encryption.org/v1\n".to_owned(), "", "is encrypted. Name the file with the age identity"),
    ] {
        let ended = desk.import(&text, options).await;
        assert_eq!(ended.code, 1, "{text}");
        ended.err_has(message);
        assert!(!ended.err.contains(SECRET) && !ended.out.contains(SECRET));
    }
    let ended = desk.type_in("import nowhere.txt --environment local").await;
    assert_eq!(ended.code, 1);
    ended.err_has("nowhere.txt: No such file or directory");
    app.local.stop().await;
}
