//! Enrolling a factor.

use crate::app::{App, Totp, send};
use crate::audit::{bare, lines_with};
use reqwest::Method;
use serde_json::json;

/// The items of a table without factors: a data key, an environment, the list of environments.
const EMPTY: usize = 3;

const ENROLL: &str = "/auth/factors/enroll";

#[tokio::test(flavor = "multi_thread")]
async fn a_totp_factor_tells_its_five_fields_once() {
    let app = App::start().await;
    let body = json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice@example.com"});
    let factor = app.post(ENROLL, body, 201).await;
    // OTP-13: never again.
    let read = app.get(&format!("/auth/factors/{}", factor["id"].as_str().unwrap()), 200).await;
    insta::assert_snapshot!(app.named(&[&factor, &read]), @r#"
    {"created_at":"<+0 ms>","id":"<factor 1>","object":"authentication_factor","totp":{"issuer":"Foo Corp","qr_code":"<image 1>","secret":"<secret 1>","uri":"otpauth://totp/Foo%20Corp:alice@example.com?secret=<secret 1>&issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30","user":"alice@example.com"},"type":"totp","updated_at":"<+0 ms>"}
    {"created_at":"<+0 ms>","id":"<factor 1>","object":"authentication_factor","totp":{"issuer":"Foo Corp","user":"alice@example.com"},"type":"totp","updated_at":"<+0 ms>"}
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sms_and_a_generic_factor_leave_absent_keys_out() {
    let app = App::start().await;
    let sms = json!({"type": "sms", "phone_number": "+15005550006", "user_id": "user_1"});
    let sms = app.post(ENROLL, sms, 201).await;
    let generic = app.post(ENROLL, json!({"type": "generic_otp"}), 201).await;
    insta::assert_snapshot!(app.named(&[&sms, &generic]), @r#"
    {"created_at":"<+0 ms>","id":"<factor 1>","object":"authentication_factor","sms":{"phone_number":"+15005550006"},"type":"sms","updated_at":"<+0 ms>","user_id":"user_1"}
    {"created_at":"<+0 ms>","id":"<factor 2>","object":"authentication_factor","type":"generic_otp","updated_at":"<+0 ms>"}
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_number_is_strict_e164() {
    let app = App::start().await;
    for number in ["foo", "73", "16073517112", "+1 607 351 7112", "+1 (607) 351-7112", "+16073517112;ext=1"] {
        let refused = app.post(ENROLL, json!({"type": "sms", "phone_number": number}), 422).await;
        let message = format!("Phone number is invalid: '{number}'");
        assert_eq!(refused, json!({"code": "invalid_phone_number", "message": message}));
    }
    assert_eq!(app.dump().await.len(), EMPTY, "nothing was enrolled");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_in_a_body_are_reported_field_by_field() {
    let app = App::start().await;
    let mut refused = Vec::new();
    for body in [
        json!({}),
        json!({"type": "webauthn"}),
        json!({"type": 7}),
        json!({"type": ["totp"]}),
        json!({"type": "totp"}),
        json!({"type": "totp", "totp_issuer": "", "totp_user": null}),
        json!({"type": "totp", "totp_issuer": "a:b", "totp_user": "a\nb"}),
        json!({"type": "totp", "totp_issuer": {}, "totp_user": "x".repeat(256)}),
        json!({"type": "sms"}),
        json!({"type": "sms", "phone_number": 15_005_550_006_u64}),
        json!({"type": "generic_otp", "user_id": "a\u{0}"}),
    ] {
        refused.push(app.post(ENROLL, body, 422).await.to_string());
    }
    insta::assert_snapshot!(refused.join("\n"), @r#"
    {"code":"invalid_request_parameters","errors":[{"code":"type must not be empty","field":"type"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"type must be totp, sms or generic_otp","field":"type"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"type must be a string","field":"type"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"type must be a string","field":"type"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"totp_issuer must not be empty","field":"totp_issuer"},{"code":"totp_user must not be empty","field":"totp_user"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"totp_issuer must not be empty","field":"totp_issuer"},{"code":"totp_user must not be empty","field":"totp_user"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"totp_issuer must be 1 to 255 bytes without a colon, control or format characters, and not only white space","field":"totp_issuer"},{"code":"totp_user must be 1 to 255 bytes without a colon, control or format characters, and not only white space","field":"totp_user"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"totp_issuer must be a string","field":"totp_issuer"},{"code":"totp_user must be 1 to 255 bytes without a colon, control or format characters, and not only white space","field":"totp_user"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"phone_number must not be empty","field":"phone_number"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"phone_number must be a string","field":"phone_number"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"user_id must be 1 to 255 bytes without control characters","field":"user_id"}],"message":"Validation failed"}
    "#);
    assert_eq!(app.dump().await.len(), EMPTY, "nothing was enrolled");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_12_unknown_fields_are_ignored_and_never_stored() {
    let app = App::start().await;
    let body = json!({"type": "generic_otp", "id": "auth_factor_mine", "environment": "x", "version": 9, "verified": true});
    let id = app.enroll(body).await;
    assert_ne!(id, "auth_factor_mine");
    let (challenge, code) = app.generic_challenge(&id).await;
    assert!(app.is_valid(&challenge, &code).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_enrolled_with_a_first_challenge() {
    let app = App::start().await;
    let path = "/user_management/users/user_01E4ZCR3C56J083X43JQXF3JK5/auth_factors";
    let both =
        app.post(path, json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice"}), 201).await;
    insta::assert_snapshot!(app.named(&[&both]), @r#"{"authentication_challenge":{"authentication_factor_id":"<factor 1>","created_at":"<+0 ms>","expires_at":"<+600000 ms>","id":"<challenge 1>","object":"authentication_challenge","updated_at":"<+0 ms>"},"authentication_factor":{"created_at":"<+0 ms>","id":"<factor 1>","object":"authentication_factor","totp":{"issuer":"Foo Corp","qr_code":"<image 1>","secret":"<secret 1>","uri":"otpauth://totp/Foo%20Corp:alice?secret=<secret 1>&issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30","user":"alice"},"type":"totp","updated_at":"<+0 ms>","user_id":"user_01E4ZCR3C56J083X43JQXF3JK5"}}"#);
    let totp = Totp::of(&both["authentication_factor"]);
    let challenge = both["authentication_challenge"]["id"].as_str().unwrap();
    assert!(app.is_valid(challenge, &app.code_of(&totp, 0)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_labels_default_and_a_secret_can_be_imported() {
    let app = App::start().await;
    let path = "/user_management/users/a%3Ab%20c/auth_factors";
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let both = app.post(path, json!({"type": "totp", "totp_secret": secret.to_lowercase()}), 201).await;
    let factor = &both["authentication_factor"];
    assert_eq!(factor["totp"]["secret"], secret);
    insta::assert_snapshot!(app.named(&[factor]), @r#"{"created_at":"<+0 ms>","id":"<factor 1>","object":"authentication_factor","totp":{"issuer":"local","qr_code":"<image 1>","secret":"<secret 1>","uri":"otpauth://totp/local:a_b%20c?secret=<secret 1>&issuer=local&algorithm=SHA1&digits=6&period=30","user":"a_b c"},"type":"totp","updated_at":"<+0 ms>","user_id":"a:b c"}"#);
    for (body, field) in [
        (json!({"type": "totp", "totp_secret": "short"}), "totp_secret"),
        (json!({"type": "totp", "totp_secret": "JBSWY3DPEHPK3"}), "totp_secret"),
        (json!({"type": "totp", "totp_secret": 1}), "totp_secret"),
        // F19: a placeholder.
        (json!({"type": "totp", "totp_secret": "A".repeat(32)}), "totp_secret"),
        (json!({"type": "sms"}), "type"),
        (json!({}), "type"),
    ] {
        assert_eq!(app.post(path, body, 422).await["errors"][0]["field"], field);
    }
}

/// OTP-03: what otplib generates by default, and the example of WorkOS's document.
#[tokio::test(flavor = "multi_thread")]
async fn otp_03_a_secret_of_80_bits_is_imported_and_the_minimum_can_be_raised() {
    let path = "/user_management/users/u/auth_factors";
    let body = |secret: &str| json!({"type": "totp", "totp_secret": secret});
    let app = App::start().await;
    let totp = Totp::of(&app.post(path, body("JBSWY3DPEHPK3PXP"), 201).await["authentication_factor"]);
    assert!(app.logs_in(&totp).await);
    let long = Totp::of(
        &app.post(path, body("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), 201).await["authentication_factor"],
    );
    let is_short = |factor: &Totp| lines_with(bare(&factor.id))[0]["short_secret"].clone();
    assert_eq!((is_short(&totp), is_short(&long)), (json!(true), json!(null)));

    let app = App::start_with(&[("LATCHKEY_TOTP_IMPORT_MIN_BITS", "112")]).await;
    let refused = app.post(path, body("JBSWY3DPEHPK3PXP"), 422).await;
    let rule = "totp_secret must be Base32 of 14 to 64 bytes that are not all the same";
    assert_eq!(refused["errors"], json!([{"field": "totp_secret", "code": rule}]));
    app.post(path, body("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), 201).await;
}

/// F17: an id with characters that no label may hold enrolls as before, under a label of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_users_id_with_format_characters_enrolls_under_a_visible_label() {
    let app = App::start().await;
    for (user, label) in [("a%E2%80%8Bb", "a_b"), ("%E2%80%AE", "_"), ("%20", "_")] {
        let path = format!("/user_management/users/{user}/auth_factors");
        let both = app.post(&path, json!({"type": "totp"}), 201).await;
        assert_eq!(both["authentication_factor"]["totp"]["user"], label);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_03_without_randomness_nothing_is_enrolled() {
    use shared::core::Core;
    use shared::ports::{Entropy, NoEntropy};
    use std::sync::Arc;
    use tower::ServiceExt as _;

    struct Dry;
    impl Entropy for Dry {
        fn rng(&self) -> Result<rand::rngs::StdRng, NoEntropy> {
            Err(NoEntropy)
        }
    }

    let app = App::start().await;
    let local = &app.local;
    let policy = (*local.core.policy).clone();
    let clock = Arc::new(local.clock.clone());
    let core = Core::new(local.core.store.clone(), policy, clock, Arc::new(Dry));
    let routes = shared::http::app(core.clone(), shared::http::enroll::router(core, local.keyring.clone()));
    let request = http::Request::post(ENROLL)
        .header("authorization", format!("Bearer {}", local.api_key.expose()))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(r#"{"type":"totp","totp_issuer":"Foo","totp_user":"alice"}"#))
        .unwrap();
    assert_eq!(routes.oneshot(request).await.unwrap().status(), 503);
    assert_eq!(app.dump().await.len(), EMPTY, "nothing was enrolled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_another_charset_spelling_is_still_json() {
    let app = App::start().await;
    for content_type in
        ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
    {
        let request = app.authorized(Method::POST, ENROLL).header("content-type", content_type);
        send(request.body(r#"{"type":"generic_otp"}"#)).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_otp_11_a_hostile_issuer_or_user_changes_nothing_but_its_own_place_in_the_uri() {
    let app = App::start().await;
    let names = [
        "a&secret=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "a?issuer=b",
        "a#b",
        "a%3Ab",
        "a/../b",
        "a\\b",
        "\"><script>",
        "👩\u{200d}🚀 می\u{200c}خواهم",
        "😀",
        "a+b c",
        "=&=",
    ];
    for name in names {
        let body = json!({"type": "totp", "totp_issuer": name, "totp_user": name});
        let totp = app.post(ENROLL, body, 201).await["totp"].clone();
        let uri = totp["uri"].as_str().unwrap();
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
        let (label, query) = uri.strip_prefix("otpauth://totp/").unwrap().split_once('?').unwrap();
        let decode =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let (issuer, user) = label.split_once(':').unwrap();
        assert_eq!((decode(issuer).as_str(), decode(user).as_str()), (name, name));
        let pairs: Vec<(&str, String)> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(key, text)| (key, decode(text)))
            .collect();
        let keys: Vec<&str> = pairs.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["secret", "issuer", "algorithm", "digits", "period"]);
        assert_eq!((pairs[0].1.as_str(), pairs[1].1.as_str()), (totp["secret"].as_str().unwrap(), name));
    }
    // F17: what would hide or reorder the text around it, and a name of nothing.
    for name in [
        "a:b",
        "a\nb",
        "a\u{0}b",
        "",
        "\u{9c}",
        "\u{202e}moc.evil",
        "a\u{2028}b",
        "\u{200b}",
        "a\u{ad}b",
        " ",
        "\u{200d}",
    ] {
        app.post(ENROLL, json!({"type": "totp", "totp_issuer": name, "totp_user": "a"}), 422).await;
        app.post(ENROLL, json!({"type": "totp", "totp_issuer": "a", "totp_user": name}), 422).await;
    }
}
