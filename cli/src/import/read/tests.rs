//! Any file is read to its end without a panic, and what is said about it contains nothing of it.

#![expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a test that goes wrong fails")]

use super::*;
use clap::ValueEnum as _;
use proptest::prelude::*;
use std::io::Cursor;

/// A file of each format, with the secret in it that must not be shown.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const FILES: [(Format, &str); 8] = [
    (
        Format::Ndjson,
        r#"{"user_id":"u","type":"totp","secret":"SECRET","guard":{"failures":1,"last_step":2}}"#,
    ),
    (Format::Otpauth, "otpauth://totp/Foo:u?secret=SECRET&issuer=Foo&digits=6"),
    (Format::Csv, "user_id,secret,issuer\nu,SECRET,\"Foo, Corp\"\n"),
    (Format::Auth0, r#"[{"user_id":"u","mfa_factors":[{"totp":{"secret":"SECRET"}}]}]"#),
    (Format::Supabase, "id,user_id,factor_type,status,secret\n1,u,totp,verified,SECRET\n"),
    (
        Format::Keycloak,
        r#"{"realm":"r","users":[{"id":"u","credentials":[{"type":"otp","secretData":"{\"value\":\"SECRET\"}","credentialData":"{\"subType\":\"totp\"}"}]}]}"#,
    ),
    (
        Format::Kratos,
        r#"[{"id":"u","schema_id":"s","credentials":{"totp":{"config":{"totp_url":"otpauth://totp/Foo:u?secret=SECRET"}}}}]"#,
    ),
    (Format::Authelia, "issuer,username,algorithm,digits,period,secret\nFoo,u,SHA1,6,30,SECRET\n"),
];

/// The number of entries, and everything that is said about the others.
fn read(format: Format, bytes: &[u8]) -> (usize, String) {
    let (mut good, mut said) = (0, String::new());
    for found in entries(format, Box::new(Cursor::new(bytes.to_vec()))) {
        match found {
            Ok(Found { entry: Ok(_), .. }) => good += 1,
            Ok(Found { entry: Err(refusal), .. }) => said += &refusal.to_string(),
            Err(error) => said += &error.to_string(),
        }
    }
    (good, said)
}

#[test]
fn each_file_is_detected_and_has_one_entry() {
    for (format, file) in FILES {
        let file = file.replace("SECRET", SECRET);
        assert_eq!(Format::detect(file.as_bytes()), Some(format));
        assert_eq!(read(format, file.as_bytes()), (1, String::new()), "{format:?}");
        // A byte order mark, and the line ends of Windows.
        let windows = format!("\u{feff}{}", file.replace('\n', "\r\n"));
        assert_eq!(Format::detect(windows.as_bytes()), Some(format));
        assert_eq!(read(format, windows.as_bytes()), (1, String::new()), "{format:?}");
    }
}

/// A label that no factor can have is left out, and its secret imported.
#[test]
fn the_label_of_a_user_is_the_name_of_the_factor() {
    let row = |label: &str| {
        format!("id,user_id,friendly_name,factor_type,status,secret\n1,u,{label},totp,verified,{SECRET}\n")
    };
    let labels = ["My phone", "", "a\u{202e}b"].map(|label| {
        let mut found = entries(Format::Supabase, Box::new(Cursor::new(row(label).into_bytes())));
        found.next().unwrap().unwrap().entry.unwrap().name
    });
    assert_eq!(labels, [Some("My phone".to_owned()), None, None]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in Format::value_variants() {
            read(*format, &bytes);
        }
        let _ = Format::detect(&bytes);
    }

    #[test]
    fn a_damaged_file_is_read_and_its_secret_never_shown(
        file in 0..FILES.len(), at: proptest::sample::Index, cut in 0..40_usize, text in "[ -~\\n]{0,12}|\\PC{0,3}"
    ) {
        let (format, content) = FILES[file];
        let content = content.replace("SECRET", SECRET);
        let start = at.index(content.len());
        let end = (start + cut).min(content.len());
        let damaged = format!("{}{text}{}", &content[..start], &content[end..]);
        for other in Format::value_variants() {
            let (_, said) = read(*other, damaged.as_bytes());
            for part in [&SECRET[..8], &SECRET[8..16], &SECRET[16..]] {
                prop_assert!(!said.contains(part), "{format:?} as {other:?}: {said}");
            }
        }
    }
}
