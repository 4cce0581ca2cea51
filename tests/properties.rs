//! What must hold for any input: one function per fuzz target, which panics if it does not.
//!
//! The fuzz targets in `fuzz/fuzz_targets` call them with what libFuzzer generates, `it/fuzz.rs` with the corpus and with
//! thousands of mutations of it.

pub mod server;
pub mod table;

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use percent_encoding::percent_decode_str;
use server::Server;
use shared::domain::code::Code;
use shared::domain::id::{AttemptId, ChallengeId, DataKeyId, EnvironmentId, FactorId};
use shared::domain::otpauth::{self, Label};
use shared::domain::phone::{Country, Phone};
use shared::domain::qr;
use shared::domain::sms_text::SmsTemplate;
use shared::domain::totp::Secret;
use std::cell::OnceCell;
use std::str::from_utf8;

/// What must hold for any input: panics if it does not.
pub type Property = fn(&[u8]);

/// Every property, by the name of its fuzz target and of its corpus.
pub const ALL: [(&str, Property); 8] = [
    ("authorization", authorization),
    ("body", body),
    ("code", code),
    ("id", id),
    ("otpauth", otpauth),
    ("path", path),
    ("phone", phone),
    ("template", template),
];

thread_local! {
    static SERVER: OnceCell<Server> = const { OnceCell::new() };
}

fn with_server<T>(ask: impl FnOnce(&Server) -> T) -> T {
    SERVER.with(|server| ask(server.get_or_init(Server::start)))
}

fn filled_in(server: &Server, bytes: &[u8]) -> Vec<u8> {
    from_utf8(bytes).map_or_else(|_| bytes.to_vec(), |text| server.fill_in(text).into_bytes())
}

/// Any body, on any route that takes one, over a table that takes no writes: an error, whatever it is, for no verdict
/// may be returned and nothing enrolled. The first byte chooses the route and the content type.
pub fn body(data: &[u8]) {
    const ROUTES: [&str; 8] = [
        "/auth/factors/enroll",
        "/user_management/users/user_1/auth_factors",
        "/auth/factors/SMS_ID/challenge",
        "/auth/factors/TOTP_ID/challenge",
        "/auth/factors/challenge",
        "/auth/challenges/CHALLENGE_ID/verify",
        "/auth/factors/verify",
        "/auth/challenges/auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ/verify",
    ];
    const TYPES: [&str; 4] = [
        "application/json",
        "text/plain",
        "Application/JSON;charset=utf-8",
        "application/x-www-form-urlencoded",
    ];
    let Some((choice, rest)) = data.split_first() else { return };
    // '0' to '7' are the routes with a JSON body.
    let choice = usize::from(choice.wrapping_sub(b'0'));
    let (route, content_type) = (ROUTES[choice % ROUTES.len()], TYPES[choice / ROUTES.len() % TYPES.len()]);
    with_server(|server| {
        let request = Request::post(server.fill_in(route))
            .header(AUTHORIZATION, format!("Bearer {}", server.key))
            .header(CONTENT_TYPE, content_type);
        let answer = server.ask(request.body(Body::from(filled_in(server, rest))).unwrap());
        assert!(answer.status.as_u16() >= 400, "{} at {route}", answer.status);
    });
}

/// Any method, path and query, like `GET /auth/factors?user_id=u`: an error, unless it reads a factor there is.
pub fn path(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Some((method, target)) = text.split_once(' ') else { return };
    let method = match method {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "DELETE" => Method::DELETE,
        _ => return,
    };
    with_server(|server| {
        let target = server.fill_in(target);
        let Some(answer) = server.ask_with_key(method.clone(), &target) else { return };
        if answer.status.as_u16() < 400 {
            assert_eq!((method, answer.status.as_u16()), (Method::GET, 200), "{target}");
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            assert!(id == server.sms || id == server.totp["id"], "{target}");
            let path = target.split(['?', '#']).next().unwrap_or_default();
            let decoded = percent_decode_str(path).decode_utf8().unwrap();
            assert!(decoded.ends_with(&format!("/auth/factors/{id}")), "{target}");
        }
    });
}

/// Any `Authorization` headers, one a line: let in with the one header `Bearer API_KEY`, and with nothing else (KEY-04).
pub fn authorization(data: &[u8]) {
    with_server(|server| {
        let lines: Vec<Vec<u8>> =
            data.split(|byte| *byte == b'\n').map(|line| filled_in(server, line)).collect();
        let mut request = Request::get(format!("/auth/factors/{}", server.sms));
        for line in &lines {
            let Ok(value) = HeaderValue::from_bytes(line) else { return };
            request = request.header(AUTHORIZATION, value);
        }
        let answer = server.ask(request.body(Body::empty()).unwrap());
        let right = if let [line] = lines.as_slice() {
            let (scheme, key) = line.split_at_checked("Bearer ".len()).unwrap_or_default();
            scheme.eq_ignore_ascii_case(b"Bearer ") && key == server.key.as_bytes()
        } else {
            false
        };
        assert_eq!(answer.status.as_u16(), if right { 200 } else { 401 });
    });
}

/// A code is exactly six ASCII digits, and they stay as they were (OTP-05, OTP-06).
pub fn code(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let six_digits = data.len() == 6 && data.iter().all(u8::is_ascii_digit);
    let read = Code::parse(text).map(|code| code.expose().to_owned());
    assert_eq!(read.ok(), six_digits.then(|| text.to_owned()));
}

/// A phone number is strict E.164, stays as it was, and `Debug` does not show it (SMS-01, LOG-04).
pub fn phone(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(phone) = Phone::parse(text) else { return };
    assert_eq!(phone.as_str(), text);
    let digits = text.strip_prefix('+').unwrap();
    assert!((2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
    assert!(!digits.starts_with('0'));
    let country = phone.country().as_str();
    assert_eq!(Country::parse(country).as_ref(), Ok(phone.country()));
    let (_, last_two) = text.split_at(text.len() - 2);
    assert_eq!(format!("{phone:?}"), format!("{country} …{last_two}"));
}

/// Control characters, and those that hide or reorder text, said again in ranges (Unicode's Cc, Cf, Zl and Zp).
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{600}'
                ..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
        )
        || matches!(c, '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}')
        || matches!(c, '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}')
        || matches!(c, '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
        || matches!(c, '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// A template holds its place for the code once, no character that does not show, and fits one message (SMS-07).
pub fn template(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(template) = SmsTemplate::parse(text) else { return };
    let (before, after) = text.split_once("{{code}}").unwrap();
    let message = template.render(&Code::parse("042424").unwrap());
    assert_eq!(*message, format!("{before}042424{after}"));
    assert!(!message.contains("{{code}}") && !message.chars().any(|c| hides(c) && c != '\n'));
    assert!(message.encode_utf16().count() <= 160);
    // No letter of these is in GSM-7, so it takes UCS-2 and its 70 units.
    let ucs_2 = message.chars().any(|c| c > '\u{3ff}' && c != '€');
    assert!(!ucs_2 || message.encode_utf16().count() <= 70);
}

/// An id has one spelling, and is of one kind.
pub fn id(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let spellings = [
        FactorId::parse(text).map(|id| id.to_string()),
        ChallengeId::parse(text).map(|id| id.to_string()),
        EnvironmentId::parse(text).map(|id| id.to_string()),
        AttemptId::parse(text).map(|id| id.to_string()),
        DataKeyId::parse(text).map(|id| id.to_string()),
    ];
    let read: Vec<String> = spellings.into_iter().flatten().collect();
    assert!(read.len() <= 1 && read.iter().all(|spelling| spelling == text));
    if let Ok(bare) = FactorId::parse_bare(text) {
        assert_eq!((bare.bare().as_str(), text.len()), (text, 26));
    }
}

/// Issuer, account and secret, a line each: what is accepted comes back from the URI as it was, and the URI fits a QR
/// code (OTP-10, OTP-11).
pub fn otpauth(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (issuer, account) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    for text in [issuer, account] {
        let fits = (1..=255).contains(&text.len())
            && !text.chars().any(|c| c == ':' || hides(c))
            && !text.chars().all(char::is_whitespace);
        // Where a joiner may stand is the label's own matter.
        let joined = text.contains(['\u{200c}', '\u{200d}']);
        assert!(Label::parse(text).is_ok() == fits || (fits && joined), "{text:?}");
    }
    let (Ok(issuer), Ok(account)) = (Label::parse(issuer), Label::parse(account)) else { return };
    let Ok(secret) = Secret::from_base32(lines.next().unwrap_or_default()) else { return };

    let uri = otpauth::uri(&issuer, &account, &secret);
    assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+' && byte != b'"'));
    let (label, query) = uri.strip_prefix("otpauth://totp/").unwrap().split_once('?').unwrap();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let (read_issuer, read_account) = label.split_once(':').unwrap();
    assert_eq!(decoded(read_issuer), issuer.as_str());
    assert_eq!(decoded(read_account), account.as_str());
    let parameters: Vec<(&str, &str)> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    let [("secret", base32), ("issuer", parameter), rest @ ..] = parameters.as_slice() else {
        panic!("other parameters");
    };
    assert_eq!(*parameter, read_issuer);
    assert_eq!(Secret::from_base32(base32).unwrap().expose(), secret.expose());
    assert_eq!(rest, [("algorithm", "SHA1"), ("digits", "6"), ("period", "30")]);
    assert!(qr::data_uri(&uri).is_ok());
}
