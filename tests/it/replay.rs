//! The requests of SDKs that `tests/sdk/run` cannot install, replayed byte for byte, and what each requires of an answer
//! (contract §2, §3.7 and §6; docs/COMPATIBILITY.md).
//!
//! The bytes are those that the contract's sources record. Not recorded, and so not here: the bodies of Ruby ≥ 7 and
//! .NET ≥ 3, what Kotlin 5 and 6 enroll with, and the bodies of any of these for a user's factors. Laravel sends what the PHP SDK
//! under it sends.

use crate::app::{Answer, App, send};
use crate::replay::Kind::{Challenge, Enrolled, Got, Refused, Verified};
use crate::replay::Type::{FieldErrors, Text, Time, Truth};
use reqwest::Method;
use serde_json::Value;
use tests::client::{Totp, code_in};

/// What an SDK sends.
struct Sdk {
    name: &'static str,
    user_agent: &'static str,
    /// The headers of every request, besides `Authorization` and `User-Agent`.
    headers: &'static [(&'static str, &'static str)],
    enroll_totp: &'static str,
    /// With `{phone}` for the number.
    enroll_sms: &'static str,
    /// The path and body of a challenge without a template, with `{id}` for the factor.
    challenge: [&'static str; 2],
    /// The path and body of a verify, with `{id}` for the challenge and `{code}`.
    verify: [&'static str; 2],
    /// The body of a `DELETE`.
    delete: &'static str,
    model: Model,
}

/// The fields that an SDK's types require, by kind of answer.
type Model = &'static [(Kind, &'static str, Type)];

/// Of what an answer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Enrolled,
    Got,
    Challenge,
    Verified,
    /// An error of any route.
    Refused,
}

/// Of which type a field must be.
#[derive(Clone, Copy)]
enum Type {
    Text,
    /// ISO 8601 with three digits of a second and a zone.
    Time,
    Truth,
    /// If there are any, objects with a `field` and a `code`.
    FieldErrors,
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const JSON_IN_UTF_8: &[(&str, &str)] = &[
    ("content-type", "application/json; charset=utf-8"),
    // A hash of the request: two equal requests have equal keys.
    ("idempotency-key", "retry-d0b7e1a9c6f35482d0b7e1a9c6f35482d0b7e1a9c6f35482d0b7e1a9c6f35482"),
];
/// `utf-8` is no encoding.
const DOTNET: &[(&str, &str)] = &[("content-type", "application/json"), ("accept-encoding", "utf-8")];

const TOTP: &str = r#"{"type":"totp","totp_issuer":"Foo Corp","totp_user":"a@b.c"}"#;
const TOTP_WITH_NULLS: &str =
    r#"{"type":"totp","totp_issuer":"Foo Corp","totp_user":"a@b.c","phone_number":null}"#;
const SMS: &str = r#"{"type":"sms","phone_number":"{phone}"}"#;
const SMS_WITH_NULLS: &str = r#"{"type":"sms","totp_issuer":null,"totp_user":null,"phone_number":"{phone}"}"#;

const CHALLENGE: [&str; 2] = ["/auth/factors/{id}/challenge", "{}"];
const CHALLENGE_WITH_ARRAY: [&str; 2] = ["/auth/factors/{id}/challenge", "[]"];
const CHALLENGE_WITH_NULL: [&str; 2] = ["/auth/factors/{id}/challenge", r#"{"sms_template":null}"#];
const LEGACY_CHALLENGE: [&str; 2] = ["/auth/factors/challenge", r#"{"authentication_factor_id":"{id}"}"#];
const LEGACY_CHALLENGE_WITH_NULL: [&str; 2] =
    ["/auth/factors/challenge", r#"{"authentication_factor_id":"{id}","sms_template":null}"#];
const VERIFY: [&str; 2] = ["/auth/challenges/{id}/verify", r#"{"code":"{code}"}"#];
const LEGACY_VERIFY: [&str; 2] =
    ["/auth/factors/verify", r#"{"authentication_challenge_id":"{id}","code":"{code}"}"#];

const RUBY_TO_4: Model = &[
    (Enrolled, "id object type created_at updated_at", Text),
    (Got, "id object type created_at updated_at", Text),
    (Challenge, "id object created_at updated_at expires_at authentication_factor_id", Text),
    (Verified, "challenge.expires_at", Text),
    (Verified, "valid", Truth),
    (Refused, "errors", FieldErrors),
];
const RUBY_5_AND_6: Model = &[(Refused, "message", Text), (Refused, "errors", FieldErrors)];
const PHP_FROM_5: Model = &[
    (Enrolled, "totp.issuer totp.user totp.secret totp.qr_code totp.uri", Text),
    (Enrolled, "created_at updated_at", Time),
    (Got, "created_at updated_at", Time),
    (Challenge, "created_at updated_at", Time),
    (Verified, "valid", Truth),
];
/// It chooses the class of a challenge by this field.
const PHP_TO_4: Model = &[(Challenge, "expires_at", Text)];
/// It looks at no status.
const DOTNET_TO_2: Model =
    &[(Enrolled, "id", Text), (Challenge, "id", Text), (Refused, "code message", Text)];
const ELIXIR: Model = &[(Verified, "valid", Truth), (Refused, "code message", Text)];
const KOTLIN_TO_4: Model = &[
    (Enrolled, "id type created_at updated_at totp.issuer totp.user", Text),
    (Got, "id type created_at updated_at totp.issuer totp.user", Text),
    (Challenge, "id created_at updated_at expires_at authentication_factor_id", Text),
    (Verified, "challenge.id challenge.expires_at", Text),
    (Verified, "valid", Truth),
    (Refused, "errors", FieldErrors),
];
const KOTLIN_5_AND_6: Model = &[
    (Enrolled, "totp.issuer totp.user totp.secret totp.qr_code totp.uri", Text),
    (Enrolled, "created_at updated_at", Time),
    (Got, "created_at updated_at", Time),
    (Challenge, "created_at updated_at expires_at", Time),
    (Verified, "valid", Truth),
    (Refused, "code message", Text),
];

#[rustfmt::skip]
const SDKS: [Sdk; 13] = [
    sdk("Ruby 2.3 to 2.4", "WorkOS; ruby/3.0.2; arm64-darwin21; v2.3.0", JSON, [TOTP_WITH_NULLS, SMS_WITH_NULLS], LEGACY_CHALLENGE_WITH_NULL, LEGACY_VERIFY, "", RUBY_TO_4),
    sdk("Ruby 2.5 to 4.8", "WorkOS; ruby/3.0.2; arm64-darwin21; v4.8.0", JSON, [TOTP_WITH_NULLS, SMS_WITH_NULLS], CHALLENGE_WITH_NULL, VERIFY, "", RUBY_TO_4),
    sdk("Ruby 5 and 6", "WorkOS; ruby/3.0.2; arm64-darwin21; v6.2.0", JSON, [TOTP_WITH_NULLS, SMS_WITH_NULLS], CHALLENGE_WITH_NULL, VERIFY, "", RUBY_5_AND_6),
    sdk("PHP 1.8 to 1.11", "WorkOS PHP/1.11.0", JSON, [TOTP_WITH_NULLS, SMS_WITH_NULLS], LEGACY_CHALLENGE_WITH_NULL, LEGACY_VERIFY, "", PHP_TO_4),
    sdk("PHP 1.12 to 4", "WorkOS PHP/4.29.0", JSON, [TOTP_WITH_NULLS, SMS_WITH_NULLS], CHALLENGE_WITH_NULL, VERIFY, "", PHP_TO_4),
    sdk("PHP 5", "WorkOS PHP/5.0.0", JSON, [TOTP, SMS], CHALLENGE_WITH_ARRAY, VERIFY, "", PHP_FROM_5),
    sdk("PHP 6 to 9", "WorkOS PHP/9.0.0", JSON, [TOTP, SMS], CHALLENGE, VERIFY, "", PHP_FROM_5),
    sdk(".NET 1.8 and 1.9", "workos-dotnet/1.8.0", DOTNET, [TOTP, SMS], LEGACY_CHALLENGE, LEGACY_VERIFY, "{}", DOTNET_TO_2),
    sdk(".NET 1.10 to 2.12", "workos-dotnet/2.12.0", DOTNET, [TOTP, SMS], CHALLENGE, LEGACY_VERIFY, "{}", DOTNET_TO_2),
    sdk("Elixir 0.2 to 2.0", "workos-elixir/1.1.4", JSON, [TOTP_WITH_NULLS, SMS_WITH_NULLS], CHALLENGE_WITH_NULL, VERIFY, "{}", ELIXIR),
    sdk("Kotlin 2.1.2 to 2.2", "workos-kotlin/2.2.0", JSON, [TOTP, SMS], LEGACY_CHALLENGE, LEGACY_VERIFY, "", KOTLIN_TO_4),
    sdk("Kotlin 2.3 to 4.18", "workos-kotlin/4.18.1", JSON, [TOTP, SMS], CHALLENGE, LEGACY_VERIFY, "", KOTLIN_TO_4),
    sdk("Kotlin 5 and 6", "workos-kotlin/6.5.0", JSON_IN_UTF_8, [TOTP, SMS], CHALLENGE, VERIFY, "", KOTLIN_5_AND_6),
];

const fn sdk(
    name: &'static str,
    user_agent: &'static str,
    headers: &'static [(&'static str, &'static str)],
    [enroll_totp, enroll_sms]: [&'static str; 2],
    challenge: [&'static str; 2],
    verify: [&'static str; 2],
    delete: &'static str,
    model: Model,
) -> Sdk {
    Sdk { name, user_agent, headers, enroll_totp, enroll_sms, challenge, verify, delete, model }
}

impl Sdk {
    async fn send(&self, app: &App, method: Method, path: &str, body: &str) -> Answer {
        let request = app.authorized(method, path).header("user-agent", self.user_agent);
        let request =
            self.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        send(if body.is_empty() { request } else { request.body(body.to_owned()) }).await
    }

    /// A request whose answer this SDK can read, with this status.
    async fn ask(&self, app: &App, kind: Kind, [method, path, body]: [&str; 3]) -> Value {
        let answer = self.send(app, method.parse().unwrap(), path, body).await;
        let (status, value) = (answer.status, answer.json());
        let expected = match kind {
            Enrolled | Challenge | Verified => status == 201,
            Got => status == 200,
            // Ruby ≥ 7 would repeat a 409.
            Refused => [400, 401, 404, 422].contains(&status),
        };
        assert!(expected, "{}: {method} {path}: {status} {value}", self.name);
        for (_, fields, is) in self.model.iter().filter(|(of, _, _)| *of == kind) {
            for field in fields.split(' ') {
                let found = value.pointer(&format!("/{}", field.replace('.', "/")));
                assert!(is.has(found), "{}: {path}: {field} is {found:?}", self.name);
            }
        }
        value
    }

    async fn enroll(&self, app: &App, kind: Kind, body: &str) -> Value {
        self.ask(app, kind, ["POST", "/auth/factors/enroll", body]).await
    }

    async fn challenge(&self, app: &App, factor: &str) -> String {
        let [path, body] = self.challenge.map(|text| text.replace("{id}", factor));
        self.ask(app, Challenge, ["POST", &path, &body]).await["id"].as_str().unwrap().to_owned()
    }

    async fn verify(&self, app: &App, kind: Kind, [challenge, code]: [&str; 2]) -> Value {
        let [path, body] = self.verify.map(|text| text.replace("{id}", challenge).replace("{code}", code));
        self.ask(app, kind, ["POST", &path, &body]).await
    }
}

impl Type {
    fn has(self, value: Option<&Value>) -> bool {
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        match self {
            Self::Text => value.is_some_and(text),
            Self::Time => value.and_then(Value::as_str).is_some_and(|time| {
                time.parse::<jiff::Timestamp>().is_ok()
                    && time.split('.').nth(1).is_some_and(|end| end.len() == 4)
            }),
            Self::Truth => value.is_some_and(Value::is_boolean),
            Self::FieldErrors => value.is_none_or(|errors| {
                errors.as_array().is_some_and(|errors| {
                    errors.iter().all(|error| text(&error["field"]) && text(&error["code"]))
                })
            }),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_sdks_that_cannot_be_installed_have_answers_they_can_read() {
    for sdk in SDKS {
        let app = App::start().await;
        let enrolled = sdk.enroll(&app, Enrolled, sdk.enroll_totp).await;
        let totp = Totp::of(&enrolled);
        let factor = format!("/auth/factors/{}", totp.id);
        let got = sdk.ask(&app, Got, ["GET", &factor, ""]).await;
        assert!(got["totp"].get("secret").is_none(), "{}", sdk.name);

        // Equal requests have challenges of their own, even if their keys are equal.
        let challenge = sdk.challenge(&app, &totp.id).await;
        assert_ne!(challenge, sdk.challenge(&app, &totp.id).await, "{}", sdk.name);
        let (wrong, right) = (app.wrong_code(&totp), app.code_of(&totp, 0));
        assert_eq!(sdk.verify(&app, Verified, [&challenge, &wrong]).await["valid"], false, "{}", sdk.name);
        assert_eq!(sdk.verify(&app, Verified, [&challenge, &right]).await["valid"], true, "{}", sdk.name);
        let again = sdk.verify(&app, Refused, [&challenge, &right]).await;
        assert_eq!(again["code"], "authentication_challenge_previously_verified", "{}", sdk.name);
        let malformed = sdk.verify(&app, Refused, [&challenge, "12345"]).await;
        assert_eq!(malformed["errors"][0]["field"], "code", "{}", sdk.name);
        let unknown = sdk.verify(&app, Refused, ["auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ", &right]).await;
        assert_eq!(unknown["code"], "entity_not_found", "{}", sdk.name);

        let invalid = sdk.enroll(&app, Refused, &sdk.enroll_sms.replace("{phone}", "foo")).await;
        assert_eq!(invalid["code"], "invalid_phone_number", "{}", sdk.name);
        let body = sdk.enroll_sms.replace("{phone}", "+15005550006");
        let phone = sdk.send(&app, Method::POST, "/auth/factors/enroll", &body).await.expect(201);
        assert_eq!(phone["sms"]["phone_number"], "+15005550006", "{}", sdk.name);
        let challenge = sdk.challenge(&app, phone["id"].as_str().unwrap()).await;
        let code = code_in(&app.last_message());
        assert_eq!(sdk.verify(&app, Verified, [&challenge, &code]).await["valid"], true, "{}", sdk.name);

        let deleted = sdk.send(&app, Method::DELETE, &factor, sdk.delete).await;
        assert_eq!((deleted.status, deleted.text.as_str()), (204, ""), "{}", sdk.name);
        let gone = sdk.ask(&app, Refused, ["GET", &factor, ""]).await;
        assert_eq!(gone["code"], "entity_not_found", "{}", sdk.name);
    }
}
