//! docs/openapi.yaml says what is so: it has the routes, errors and bounds of the code, and every answer that any test gets is
//! one that it allows.
//!
//! [`is_allowed`] is called with each answer of the API: by `app::send`, and where tests ask without a server in between.

mod contract;
mod examples;
mod given;
mod reference;
mod wrong;

use crate::app::{Answer, App};
use crate::architecture::root;
use contract::{Contract, FILE};
pub(crate) use given::event_is_allowed;
use http::Method;
use serde_json::{Value, json};
use shared::domain::factor::FactorType;
use shared::domain::id::{ChallengeId, FactorId};
use shared::domain::otpauth::Label;
use shared::domain::phone::Phone;
use shared::domain::policy as p;
use shared::domain::sms_text::SmsTemplate;
use shared::domain::totp::Secret;
use shared::domain::user::UserId;
use shared::http::factors::{DEFAULT_PAGE_SIZE, PAGE_SIZES};
use shared::http::{GatewayRequestId, MAX_BODY_BYTES, MAX_IDEMPOTENCY_KEY_BYTES, ROUTES};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// Paths that are not part of the API: the local server's own, and a route that tests add.
const OUTSIDE: [&str; 2] = ["/_dev/", "/panic"];

/// Asserts that the document allows the answer to a request for this path.
///
/// With `LATCHKEY_TEST_ANSWERS`, adds a line to the file of that name: operation, status and the code of an error.
pub(crate) fn is_allowed(method: &Method, path: &str, answer: &Answer) {
    static COUNTED: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    if answer.status != 404 && OUTSIDE.iter().any(|start| path.starts_with(start)) {
        return;
    }
    let kind = Contract::get().kind(method, path, answer).unwrap_or_else(|reason| panic!("{reason}"));
    let counted = COUNTED.get_or_init(|| {
        let file = std::env::var_os("LATCHKEY_TEST_ANSWERS")?;
        Some(Mutex::new(File::options().create(true).append(true).open(file).unwrap()))
    });
    if let Some(file) = counted {
        let line = format!("{} {} {}\n", kind.operation, kind.status, kind.code);
        file.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_server_shows_the_document() {
    let app = App::start().await;
    let answer = app.request(Method::GET, "/_dev/openapi.yaml").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/yaml");
    assert!(
        answer.text().await.unwrap() == fs::read_to_string(root().join(FILE)).unwrap(),
        "it was built with another one"
    );
}

#[test]
fn the_document_has_the_routes_of_the_code_and_no_others() {
    let contract = Contract::get();
    let documented: BTreeSet<String> = contract
        .operations
        .iter()
        .map(|operation| {
            let ours = &contract.document.at(&operation.pointer)["x-latchkey"];
            format!("{} {} {ours}", operation.method, operation.path)
        })
        .collect();
    let coded: BTreeSet<String> = ROUTES
        .iter()
        .map(|route| {
            let (verb, function, operation): (&str, &str, &str) =
                (route.method.into(), route.function.into(), route.operation.into());
            let right = format!("{:?}", route.right).to_lowercase();
            let ours = json!({"function": function, "operation": operation, "right": right});
            format!("{verb} {} {ours}", route.path)
        })
        .collect();
    assert_eq!(documented, coded);
}

/// Which operation has which of them, [`given`] shows by asking.
#[test]
fn the_document_has_the_errors_of_the_code_and_no_others() {
    let documented: BTreeSet<(u16, String)> = Contract::get()
        .kinds()
        .into_iter()
        .filter(|kind| kind.status >= 400)
        .map(|kind| (kind.status, kind.code))
        .collect();
    let source = fs::read_to_string(root().join("shared/src/http/error.rs")).unwrap();
    let coded: BTreeSet<(u16, String)> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> row("))
        .map(|(_, row)| {
            let (status, row) = row.split_once(", \"").unwrap();
            let status = match status.trim_start_matches("StatusCode::") {
                "BAD_REQUEST" => 400,
                "UNAUTHORIZED" => 401,
                "FORBIDDEN" => 403,
                "NOT_FOUND" => 404,
                "METHOD_NOT_ALLOWED" => 405,
                "PAYLOAD_TOO_LARGE" => 413,
                "UNSUPPORTED_MEDIA_TYPE" => 415,
                "UNPROCESSABLE" => 422,
                "INTERNAL" => 500,
                "SERVICE_UNAVAILABLE" => 503,
                other => panic!("what is {other}?"),
            };
            (status, row.split('"').next().unwrap().to_owned())
        })
        .collect();
    assert!(coded.len() > 15, "the rows have another form");
    assert_eq!(documented, coded);
}

/// Characters of Base32, without padding.
fn base32(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

#[test]
fn the_document_has_the_bounds_of_the_code() {
    let id = |prefix: &str| json!(format!("^{prefix}[0-7][0-9A-HJKMNP-TV-Z]{{25}}$"));
    let secret =
        [p::IMPORTED_SECRET_BYTES.start(), p::IMPORTED_SECRET_BYTES.end()].map(|bytes| base32(*bytes));
    let secret = format!("{{{},{}}}", secret[0], secret[1]);
    let uri = format!(
        "^otpauth://totp/[A-Za-z0-9._~@%-]+:[A-Za-z0-9._~@%-]+\\?secret=[A-Z2-7]{secret}&issuer=[A-Za-z0-9._~@%-]+\
         &algorithm=SHA1&digits={}&period={}$",
        p::CODE_DIGITS,
        p::TOTP_STEP.as_secs()
    );
    let (label, page) = (json!(p::MAX_LABEL_BYTES), json!(PAGE_SIZES.end()));
    for (pointer, expected) in [
        ("schemas/FactorId/pattern", id(FactorId::PREFIX)),
        ("schemas/Cursor/pattern", id(FactorId::PREFIX)),
        ("schemas/ChallengeId/pattern", id(ChallengeId::PREFIX)),
        ("schemas/Code/pattern", json!(format!("^[0-9]{{{}}}$", p::CODE_DIGITS))),
        ("schemas/UserId/maxLength", label.clone()),
        ("schemas/OptionalUserId/maxLength", label.clone()),
        ("schemas/Label/maxLength", label.clone()),
        ("schemas/LabelText/maxLength", label.clone()),
        ("schemas/EnrollUserRequest/properties/totp_issuer/maxLength", label.clone()),
        ("schemas/EnrollUserRequest/properties/totp_user/maxLength", label),
        (
            "schemas/EnrollUserRequest/properties/totp_secret/pattern",
            json!(format!("^([A-Za-z2-7]{secret}=*)?$")),
        ),
        (
            "schemas/EnrolledTotpFactor/properties/totp/properties/secret/pattern",
            json!(format!("^[A-Z2-7]{secret}$")),
        ),
        ("schemas/EnrolledTotpFactor/properties/totp/properties/uri/pattern", json!(uri)),
        ("schemas/FactorList/properties/data/maxItems", page.clone()),
        ("schemas/TotpFactorList/properties/data/maxItems", page.clone()),
        ("parameters/limit/schema/minimum", json!(PAGE_SIZES.start())),
        ("parameters/limit/schema/maximum", page),
        ("parameters/limit/schema/default", json!(DEFAULT_PAGE_SIZE)),
        ("parameters/Idempotency-Key/schema/maxLength", json!(MAX_IDEMPOTENCY_KEY_BYTES)),
    ] {
        assert_eq!(*Contract::get().document.at(&format!("/components/{pointer}")), expected, "{pointer}");
    }
}

#[test]
fn the_documents_sentences_have_the_numbers_of_the_code() {
    let minutes = |span: Duration| format!("{} minutes", span.as_secs() / 60);
    let seconds = |span: Duration| format!("{} seconds", span.as_secs());
    let of = |id: &str| {
        let operation = Contract::get().operations.iter().find(|operation| operation.id == id).unwrap();
        format!("{}/description", operation.pointer)
    };
    let schema = |path: &str| format!("/components/schemas/{path}/description");
    let secret = &p::IMPORTED_SECRET_BYTES;
    for (pointer, part) in [
        (of("challengeFactor"), format!("one message in {}", seconds(p::SMS_COOLDOWN))),
        (of("challengeFactor"), format!("valid for {}", minutes(p::SMS_CHALLENGE_TTL))),
        (of("challengeFactor"), format!("valid for {}", minutes(p::TOTP_CHALLENGE_TTL))),
        (of("challengeFactor"), format!("valid for {}", minutes(p::GENERIC_CHALLENGE_TTL))),
        (of("verifyChallenge"), format!("has {} attempts", p::MAX_ATTEMPTS_PER_CHALLENGE)),
        (of("verifyChallenge"), format!("From failure {} in a row", p::LOCKOUT_THRESHOLD)),
        (of("verifyChallenge"), format!("{} that double up to", seconds(p::MIN_LOCKOUT))),
        (of("verifyChallenge"), format!("up to {} hour.", p::MAX_LOCKOUT.as_secs() / 3_600)),
        (of("verifyChallenge"), format!("with {} digits", p::CODE_DIGITS)),
        (schema("ChallengeCommon/properties/expires_at"), minutes(p::SMS_CHALLENGE_TTL)),
        (schema("UserId"), format!("At most {} bytes", p::MAX_LABEL_BYTES)),
        (schema("LabelText"), format!("At most {} bytes", p::MAX_LABEL_BYTES)),
        (
            schema("EnrollUserRequest/properties/totp_secret"),
            format!("of {} to {} bytes", secret.start(), secret.end()),
        ),
        (
            schema("EnrollUserRequest/properties/totp_secret"),
            format!(
                "{} digits, {}. By default a new secret of {} bytes",
                p::CODE_DIGITS,
                seconds(p::TOTP_STEP),
                p::TOTP_SECRET_BYTES
            ),
        ),
        (
            "/components/responses/TooLarge/description".to_owned(),
            format!("larger than {} KiB", MAX_BODY_BYTES / 1024),
        ),
    ] {
        let text = Contract::get().document.at(&pointer).as_str().unwrap().replace('\n', " ");
        assert!(text.contains(&part), "{pointer}: {part}");
    }
}

/// What the code accepts, the document allows, and the other way round where a pattern can say it.
#[test]
fn the_documents_patterns_accept_what_the_code_accepts() {
    let document = &Contract::get().document;
    let allows = |pointer: &str| {
        let validator = document.validator(&format!("/components/{pointer}"));
        move |text: &str| validator.is_valid(&Value::from(text))
    };
    let (user, label, request_id) =
        (allows("schemas/UserId"), allows("schemas/LabelText"), allows("headers/x-request-id/schema"));
    for byte in 0..=0x9f_u8 {
        let text = char::from(byte).to_string();
        assert_eq!(user(&text), UserId::parse(&text).is_ok(), "{text:?}");
        let blank = text.trim().is_empty() && byte != b'\t';
        assert!(blank || label(&text) == Label::parse(&text).is_ok(), "{text:?}");
        assert_eq!(request_id(&text), GatewayRequestId::parse(&text).is_some(), "{text:?}");
    }
    for length in [0, 1, 64, 65, 255, 256] {
        let text = "a".repeat(length);
        assert_eq!(user(&text), UserId::parse(&text).is_ok(), "{length}");
        assert_eq!(label(&text), Label::parse(&text).is_ok(), "{length}");
        assert_eq!(request_id(&text), GatewayRequestId::parse(&text).is_some(), "{length}");
    }
    let (id, phone) = (allows("schemas/FactorId"), allows("schemas/PhoneNumber"));
    let known = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
    for text in
        [known, &known.to_lowercase(), &known[1..], &format!("{known}0"), "", &known.replace("_01", "_81")]
    {
        assert_eq!(id(text), FactorId::parse(text).is_ok(), "{text}");
    }
    for letter in ["I", "L", "O", "U", "0", "9", "A", "Z", "-", "é"] {
        let text = known.replace('Q', letter);
        assert_eq!(id(&text), FactorId::parse(&text).is_ok(), "{text}");
    }
    for text in
        ["+15005550006", "+447400123456", "15005550006", "+05005550006", "+1 5005550006", "+1", "foo", ""]
    {
        assert!(phone(text) || Phone::parse(text).is_err(), "{text}");
    }
    let secret = allows("schemas/EnrollUserRequest/properties/totp_secret");
    for bytes in [9, 10, 16, 20, 64, 65] {
        let text: String = "ABCDEFGH".chars().cycle().take(base32(bytes) / 8 * 8).collect();
        let text = text + &"A".repeat(base32(bytes) % 8);
        assert_eq!(secret(&text), Secret::from_base32(&text).is_ok(), "{bytes} bytes");
    }
    let types = document.at("/components/schemas/FactorType/enum").as_array().unwrap();
    let [first, second, third] = [0, 1, 2].map(|n| types[n].as_str().unwrap());
    let rule = FactorType::parse("other").unwrap_err().to_string();
    assert_eq!((types.len(), rule), (3, format!("must be {first}, {second} or {third}")));
    let template = allows("schemas/SmsTemplate");
    let longest = (1..400).rev().map(|n| format!("{{{{code}}}}{}", "a".repeat(n)));
    let longest = longest.clone().find(|text| SmsTemplate::parse(text).is_ok()).unwrap();
    assert!(template(&longest) && !template(&format!("{longest}a")));
}
