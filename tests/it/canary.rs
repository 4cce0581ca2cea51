//! LOG-01, SEC-01: known codes, secrets and keys, looked for in every place they must not be, in every spelling.

use crate::app::{App, logged, send};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::json;
use shared::domain::totp::Secret;

/// A thing that must not be seen.
struct Canary {
    what: &'static str,
    /// Itself, if it is text.
    plain: Option<String>,
    /// How else it could be spelled.
    encoded: Vec<String>,
}

impl Canary {
    fn new(what: &'static str, secret: &[u8]) -> Self {
        let hex = secret.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let mut encoded = vec![
            hex.to_uppercase(),
            hex,
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            STANDARD.encode(STANDARD.encode(secret)),
            format!("{secret:?}"),
        ];
        let plain = std::str::from_utf8(secret).ok().map(str::to_owned);
        if let Some(plain) = &plain {
            encoded.push(utf8_percent_encode(plain, NON_ALPHANUMERIC).to_string());
        } else {
            encoded.push(secret.escape_ascii().to_string());
        }
        if let Ok(secret) = Secret::from_bytes(zeroize::Zeroizing::new(secret.to_vec())) {
            encoded.push(secret.to_base32().to_string());
            encoded.push(secret.to_base32().to_lowercase());
        }
        encoded.retain(|spelling| Some(spelling) != plain.as_ref());
        Self { what, plain, encoded }
    }

    fn stands_in(&self, text: &str) -> bool {
        self.encoded.iter().any(|spelling| text.contains(spelling.as_str()))
            || self.plain.as_ref().is_some_and(|plain| stands_alone(plain, text))
    }
}

/// Whether `word` stands in `text` as a value of its own. Six digits may well be part of a timestamp or of an id.
fn stands_alone(word: &str, text: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.')
            && !after.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_log_01_sec_01_no_secret_is_in_a_log_line_an_error_or_an_item() {
    let app = App::start().await;
    let mut canaries = vec![Canary::new("API key", app.local.api_key.expose().as_bytes())];
    let mut errors = String::new();

    let totp = app.enroll_totp().await;
    canaries.push(Canary::new("TOTP secret", totp.secret.expose()));
    let challenge = app.challenge(&totp.id).await;
    let code = app.code_of(&totp, 0);
    for code in [app.wrong_code(&totp), code.clone(), code.clone()] {
        errors += &app.verify(&challenge, &code).await.text;
    }
    canaries.push(Canary::new("TOTP code", code.as_bytes()));

    let sms = app.enroll_sms().await;
    let challenge = app.challenge(&sms).await;
    let (code, text) = (app.last_code(), app.last_message());
    for code in ["000000", &code, &code] {
        errors += &app.verify(&challenge, code).await.text;
    }
    canaries.push(Canary::new("SMS code", code.as_bytes()));
    canaries.push(Canary::new("message", text.as_bytes()));
    let generic = app.enroll(json!({"type": "generic_otp"})).await;
    let (challenge, code) = app.generic_challenge(&generic).await;
    app.verify(&challenge, "000000").await;
    errors += &app.verify(&challenge, &"9".repeat(7)).await.text;
    app.is_valid(&challenge, &code).await;
    canaries.push(Canary::new("generic code", code.as_bytes()));
    let imported =
        json!({"type": "totp", "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "totp_issuer": ":"});
    let request = app.authorized(Method::POST, "/user_management/users/u/auth_factors").json(&imported);
    errors += &send(request).await.text;
    canaries.push(Canary::new("imported secret", b"12345678901234567890"));
    let request =
        app.authorized(Method::POST, "/auth/factors/enroll").body("{\"totp_secret\":\"GEZDGNBVGY3TQOJQ");
    errors += &send(request.header("content-type", "application/json")).await.text;

    let items = format!("{:?}", app.dump().await);
    let logs = logged();
    assert!(logs.contains("\"operation\":\"verify\""), "there are logs to look at");
    for canary in &canaries {
        assert!(!canary.stands_in(&logs), "{} is in a log line", canary.what);
        assert!(!canary.stands_in(&errors), "{} is in an error", canary.what);
        assert!(!canary.stands_in(&items), "{} is in an item", canary.what);
    }
    // The search finds what it is looking for.
    let caught = Canary::new("decoy", code.as_bytes());
    for line in [format!("code={code}"), format!(r#"{{"code":"{code}"}}"#), STANDARD.encode(&code)] {
        assert!(caught.stands_in(&line), "{line}");
    }
    let phone = Canary::new("phone number", b"+15005550006");
    assert!(!phone.stands_in(&logs), "a whole phone number is in a log line");
}
