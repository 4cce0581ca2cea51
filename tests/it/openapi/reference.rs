//! docs/API.md says what docs/openapi.yaml says: operations, fields with their bounds, errors, answers. Its code runs in tests/sdk.

use super::contract::{Contract, Document};
use crate::architecture::root;
use serde_json::Value;
use shared::domain::policy as p;
use shared::http::MAX_BODY_BYTES;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A heading, the operation, the schema of its body where the operation has several, and the example of its answer.
const SECTIONS: [(&str, &str, Option<&str>, Option<&str>); 14] = [
    ("Enroll a TOTP factor", "enrollFactor", Some("EnrollTotpRequest"), Some("EnrolledTotp")),
    ("Enroll an SMS factor", "enrollFactor", Some("EnrollSmsRequest"), Some("EnrolledSms")),
    ("Enroll a generic factor", "enrollFactor", Some("EnrollGenericRequest"), Some("EnrolledGeneric")),
    ("Enroll a TOTP factor for a user", "enrollUserFactor", None, Some("Enrollment")),
    ("Challenge a factor", "challengeFactor", None, Some("GenericChallenge")),
    ("Verify a code", "verifyChallenge", None, Some("RightCode")),
    ("Show a factor", "getFactor", None, Some("TotpFactor")),
    ("List the TOTP factors of a user", "listUserFactors", None, Some("TotpFactorList")),
    ("List every factor of a user", "listFactors", None, Some("FactorList")),
    ("Delete a factor", "deleteFactor", None, None),
    ("Create recovery codes", "createRecoveryCodes", None, Some("NewRecoveryCodes")),
    ("Verify a recovery code", "verifyRecoveryCode", None, Some("RightRecoveryCode")),
    ("Show recovery codes", "readRecoveryCodes", None, Some("RecoveryCodes")),
    ("Delete recovery codes", "deleteRecoveryCodes", None, None),
];

/// The languages that have a snippet in every section. The first five are run by `tests/sdk/run`.
const LANGUAGES: [&str; 7] = ["sh", "js", "python", "go", "java", "ruby", "php"];

/// Errors of enrolling a phone, which the other types of a factor do not have.
const PHONE_ERRORS: [&str; 2] = ["invalid_phone_number", "phone_number_not_supported"];

fn page() -> String {
    fs::read_to_string(root().join("docs/API.md")).unwrap()
}

/// The text under a heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n## ").next().unwrap()
}

/// The cells of the rows of all tables, without their heads.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_row = |line: &str, next: &str| line.starts_with("| ") && !next.starts_with("|---");
    let after = lines.iter().skip(1).copied().chain([""]);
    let rows = lines.iter().zip(after).filter(|(line, next)| is_row(line, next));
    rows.map(|(line, _)| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A field of a request: where it is, whether it is required, and its schema's pointer.
struct Field {
    place: String,
    is_required: bool,
    schema: String,
}

fn fields(document: &Document, operation: &str, body: Option<&str>) -> BTreeMap<String, Field> {
    let pointer = &Contract::get().operations.iter().find(|known| known.id == operation).unwrap().pointer;
    let (path, _) = pointer.rsplit_once('/').unwrap();
    let mut fields = BTreeMap::new();
    for owner in [path, pointer] {
        for n in 0..document.at(owner)["parameters"].as_array().map_or(0, Vec::len) {
            let parameter = document.resolved(format!("{owner}/parameters/{n}"));
            let node = document.at(&parameter);
            let field = Field {
                place: node["in"].as_str().unwrap().to_owned(),
                is_required: node["required"] == true,
                schema: document.resolved(format!("{parameter}/schema")),
            };
            fields.insert(node["name"].as_str().unwrap().to_owned(), field);
        }
    }
    if document.at(pointer).get("requestBody").is_none() {
        return fields;
    }
    let schema = match body {
        Some(name) => format!("/components/schemas/{name}"),
        None => document.resolved(format!("{pointer}/requestBody/content/application~1json/schema")),
    };
    let required = &document.at(&schema)["required"];
    for name in document.at(&schema)["properties"].as_object().unwrap().keys() {
        let field = Field {
            place: "body".to_owned(),
            is_required: required.as_array().is_some_and(|required| required.contains(&name.as_str().into())),
            schema: format!("{schema}/properties/{name}"),
        };
        fields.insert(name.clone(), field);
    }
    fields
}

/// The bounds and values of a schema, and the numbers in its description, as a reader has to see them.
fn facts(document: &Document, pointer: &str) -> BTreeSet<String> {
    let schema = document.at(&document.resolved(pointer.to_owned()));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let named = ["const", "default", "minimum", "maximum", "minLength", "maxLength"];
    let mut facts: BTreeSet<String> = named.iter().filter_map(|key| schema.get(*key)).map(text).collect();
    facts.extend(schema["enum"].as_array().into_iter().flatten().map(text));
    let description = schema["description"].as_str().unwrap_or_default();
    facts.extend(description.split(|c: char| !c.is_ascii_digit()).filter(|n| n.len() > 1).map(str::to_owned));
    facts
}

/// Whether the text has the fact, and not as a part of a longer number.
fn says(text: &str, fact: &str) -> bool {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    text.match_indices(fact).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + fact.len()..]);
        !is_digit(before.chars().last()) && !is_digit(after.chars().next())
    })
}

#[test]
fn the_reference_has_every_operation() {
    let page = page();
    let overview = page.split("\n## ").next().unwrap();
    for operation in &Contract::get().operations {
        let route = format!("`{} {}`", operation.method, operation.path);
        assert!(overview.contains(&route), "the overview has no {route}");
        let is_for_old_sdks = operation.id.ends_with("ByBody");
        let mut headings =
            SECTIONS.iter().filter(|(_, id, ..)| *id == operation.id).map(|(heading, ..)| *heading);
        let first = if is_for_old_sdks { Some("Routes of old SDKs") } else { headings.next() };
        for heading in first.into_iter().chain(headings) {
            assert!(section(&page, heading).contains(&route), "{heading} has no {route}");
        }
        assert!(first.is_some(), "{route} has no section");
    }
}

#[test]
fn the_reference_has_every_field_with_its_bounds() {
    let (page, document) = (page(), &Contract::get().document);
    for (heading, operation, body, _) in SECTIONS {
        let fields = fields(document, operation, body);
        let table = rows(section(&page, heading));
        let documented: Vec<&str> = table.iter().map(|row| row[0].trim_matches('`')).collect();
        assert_eq!(
            documented.iter().copied().collect::<BTreeSet<_>>(),
            fields.keys().map(String::as_str).collect()
        );
        for (name, row) in documented.into_iter().zip(&table) {
            let field = &fields[name];
            let required = if field.is_required { "yes" } else { "no" };
            assert_eq!(row[1..3], [field.place.as_str(), required], "{heading}: {name}");
            for fact in facts(document, &field.schema) {
                assert!(says(row[3], &fact), "{heading}: {name} does not say {fact}");
            }
        }
    }
    for (operation, schema) in [
        ("challengeFactorByBody", "ChallengeByBodyRequest"),
        ("verifyChallengeByBody", "VerifyByBodyRequest"),
    ] {
        let old = section(&page, "Routes of old SDKs");
        for name in fields(document, operation, Some(schema)).keys() {
            assert!(old.contains(&format!("`{name}`")), "{operation}: {name}");
        }
    }
}

#[test]
fn the_reference_has_every_error_where_it_occurs() {
    let (page, kinds) = (page(), Contract::get().kinds());
    let errors = section(&page, "Errors");
    let (_, tables) = errors.split_once("Any request can have").unwrap();
    let (of_any, of_some) = tables.split_once("Those of single operations").unwrap();
    let listed = |text: &str| -> BTreeSet<(u16, String)> {
        let rows = rows(text).into_iter();
        rows.map(|row| (row[0].parse().unwrap(), row[1].trim_matches('`').to_owned())).collect()
    };
    let (of_any, of_some) = (listed(of_any), listed(of_some));
    let documented =
        kinds.iter().filter(|kind| kind.status >= 400).map(|kind| (kind.status, kind.code.clone()));
    assert_eq!(of_any.union(&of_some).cloned().collect::<BTreeSet<_>>(), documented.collect());
    for (heading, operation, ..) in SECTIONS {
        let (_, line) = section(&page, heading).split_once("Errors: ").unwrap();
        let line = line.split("[those of any request](#errors)").next().unwrap();
        let mut expected: BTreeSet<&str> = kinds
            .iter()
            .filter(|kind| kind.operation == operation && of_some.contains(&(kind.status, kind.code.clone())))
            .map(|kind| kind.code.as_str())
            .collect();
        if operation == "enrollFactor" && heading != "Enroll an SMS factor" {
            expected.retain(|code| !PHONE_ERRORS.contains(code));
        }
        assert_eq!(code(line).collect::<BTreeSet<_>>(), expected, "{heading}");
    }
}

/// The fields of an answer's schema, wherever it composes them, with those of nested objects after a dot.
fn properties(document: &Document, pointer: String, prefix: &str, names: &mut BTreeSet<String>) {
    let pointer = document.resolved(pointer);
    let schema = document.at(&pointer);
    for name in schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        let inner = document.resolved(format!("{pointer}/properties/{name}"));
        let is_object = document.at(&inner).get("properties").is_some();
        if is_object
            && document.at(&inner)["type"] == "object"
            && ["totp", "sms", "list_metadata", "recovery_codes"].contains(&&**name)
        {
            properties(document, inner, &format!("{name}."), names);
        } else {
            names.insert(format!("{prefix}{name}"));
        }
    }
    for keyword in ["allOf", "oneOf"] {
        for n in 0..schema[keyword].as_array().map_or(0, Vec::len) {
            properties(document, format!("{pointer}/{keyword}/{n}"), prefix, names);
        }
    }
}

#[test]
fn the_reference_has_every_field_of_an_answer() {
    let (page, document) = (page(), &Contract::get().document);
    let mut expected = BTreeSet::new();
    for schema in [
        "EnrolledFactor",
        "Factor",
        "GenericChallenge",
        "Enrollment",
        "Verification",
        "NewRecoveryCodes",
        "RecoveryVerification",
        "FactorList",
        "EntityNotFound",
        "InvalidParameters",
        "SmsLimit",
    ] {
        properties(document, format!("/components/schemas/{schema}"), "", &mut expected);
    }
    let table = rows(section(&page, "What answers contain"));
    let documented: BTreeSet<String> = table.iter().flat_map(|row| code(row[1])).map(str::to_owned).collect();
    assert_eq!(documented, expected);
}

#[test]
fn the_answers_of_the_reference_are_those_of_the_document() {
    let page = page();
    for (heading, .., example) in SECTIONS {
        let shown: Vec<&str> = section(&page, heading).split("\n```json\n").skip(1).collect();
        assert_eq!(shown.len(), example.iter().len(), "{heading}");
        for (answer, example) in shown.into_iter().zip(example) {
            let answer: Value = serde_json::from_str(answer.split("\n```").next().unwrap()).unwrap();
            let documented = Contract::get().document.at(&format!("/components/examples/{example}/value"));
            assert_eq!(answer, *documented, "{heading}");
        }
    }
}

#[test]
fn the_limits_of_the_reference_are_those_of_the_code() {
    let page = page();
    let limits = section(&page, "Limits");
    let cooldown = p::SMS_COOLDOWN.as_secs();
    let secret =
        format!("of {} to {} bytes", p::IMPORTED_SECRET_BYTES.start(), p::IMPORTED_SECRET_BYTES.end());
    for limit in [
        format!("guesses per challenge | {} |", p::MAX_ATTEMPTS_PER_CHALLENGE),
        format!("from the {}th in a row a lock of {} s", p::LOCKOUT_THRESHOLD, p::MIN_LOCKOUT.as_secs()),
        format!("up to {} h; {} in a rolling", p::MAX_LOCKOUT.as_secs() / 3_600, p::MAX_FAILURES_PER_DAY),
        format!("rolling {} h, which", p::FAILURE_WINDOW.as_secs() / 3_600),
        format!("disabled at {} in a row", p::MAX_CONSECUTIVE_FAILURES),
        format!("lifetime of a challenge | {} minutes", p::SMS_CHALLENGE_TTL.as_secs() / 60),
        format!(
            "recovery codes of a user | {} of {} characters ({} bits)",
            p::RECOVERY_CODES,
            p::RECOVERY_CODE_CHARS,
            8 * p::RECOVERY_CODE_BYTES
        ),
        format!("SHA-1, {} digits, {} s", p::CODE_DIGITS, p::TOTP_STEP.as_secs()),
        format!("one in {cooldown} s, then {} s, {} s", 2 * cooldown, 4 * cooldown),
        format!("{} in {} minutes", p::MAX_SMS_PER_10_MIN, p::SMS_WINDOW.as_secs() / 60),
        format!("{} in {} h, across", p::MAX_SMS_PER_DAY, p::SMS_DAY.as_secs() / 3_600),
        format!("first {} digits | {} per hour", p::SMS_PREFIX_DIGITS, p::MAX_SMS_PER_PREFIX),
        format!("{} KiB, {} bytes, {1} bytes, {1} bytes", MAX_BODY_BYTES / 1_024, p::MAX_LABEL_BYTES),
        format!("Base32 {secret}"),
        format!("up to {} days", p::MAX_API_KEY_LIFETIME.as_secs() / 86_400),
        format!("cached API key | {} seconds", p::API_KEY_CACHE_TTL.as_secs()),
    ] {
        assert!(limits.contains(&limit), "{limit}");
    }
    assert!(page.contains(&format!("larger than {} KiB", MAX_BODY_BYTES / 1_024)));
    let migrating = fs::read_to_string(root().join("docs/MIGRATING.md")).unwrap();
    assert!(migrating.contains(&secret.replacen("of ", "", 1)), "docs/MIGRATING.md: {secret}");
}

#[test]
fn the_reference_has_code_in_every_language_for_the_newest_sdks() {
    let page = page();
    for heading in
        SECTIONS.map(|(heading, ..)| heading).into_iter().chain(["Before the first call", "Errors"])
    {
        let blocks = section(&page, heading).split("\n```").skip(1).step_by(2);
        let languages: Vec<&str> =
            blocks.map(|block| block.lines().next().unwrap()).filter(|name| *name != "json").collect();
        assert_eq!(languages, LANGUAGES, "{heading}");
    }
    let pinned = |file: &str, before: &str| {
        let text = fs::read_to_string(root().join("tests/sdk").join(file)).unwrap();
        let (_, version) = text.rsplit_once(before).unwrap_or_else(|| panic!("{file} has no {before}"));
        version.split(['"', '<', '\n', ' ']).next().unwrap().to_owned()
    };
    for install in [
        format!("@workos-inc/node@{}", pinned("node/package.json", "\"@workos-inc/node\": \"")),
        format!("workos=={}", pinned("python/requirements.in", "workos==")),
        format!("workos-go/v7@{}", pinned("go/go.mod", "workos-go/v7 ")),
        format!(
            "com.workos:workos:{}",
            pinned("java/pom.xml", "<artifactId>workos</artifactId>\n      <version>")
        ),
    ] {
        assert!(section(&page, "Before the first call").contains(&install), "{install}");
    }
}
