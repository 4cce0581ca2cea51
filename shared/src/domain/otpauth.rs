//! The otpauth URI that an authenticator app scans, in Google's Key URI Format.

use super::policy::{CODE_DIGITS, TOTP_STEP};
use super::text;
use super::totp::Secret;
use super::user::UserId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;
use zeroize::Zeroizing;

/// An issuer or account name: 1 to 255 bytes of visible text without `:` (OTP-11). A stored label may predate this
/// rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(String);

/// The text is not allowed in an otpauth label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 bytes without a colon, control or format characters, and not only white space")]
pub struct MalformedLabel;

impl Label {
    /// Validates `text`.
    ///
    /// # Errors
    ///
    /// [`MalformedLabel`] if the text is longer than 255 bytes, contains a colon or an invisible character, or is only
    /// white space.
    pub fn parse(text: &str) -> Result<Self, MalformedLabel> {
        let fits = text::is_name(text) && !text.contains(':');
        if fits { Ok(Self(text.to_owned())) } else { Err(MalformedLabel) }
    }

    /// The default account name of a user: the user ID with each character that is not allowed in a label replaced by
    /// `_`.
    #[must_use]
    pub fn from_user_id(user: &UserId) -> Self {
        let id = user.as_str();
        let blank = id.trim().is_empty();
        let is_allowed = |c: char| c != ':' && !text::is_hidden(c) && !blank;
        Self(id.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect())
    }

    /// A label from the table. Not validated again: it was accepted when it was written.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters that are not percent-encoded in a label or query: RFC 3986's unreserved characters, and `@` as in
/// Google's examples.
const UNENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// `otpauth://totp/{issuer}:{account}?secret=…&issuer={issuer}&algorithm=SHA1&digits=6&period=30` (OTP-10).
#[must_use]
pub fn uri(issuer: &Label, account: &Label, secret: &Secret) -> Zeroizing<String> {
    let issuer = utf8_percent_encode(issuer.as_str(), UNENCODED);
    let account = utf8_percent_encode(account.as_str(), UNENCODED);
    let secret = secret.to_base32();
    let period = TOTP_STEP.as_secs();
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={CODE_DIGITS}&period={period}",
        secret.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    fn example(issuer: &str, account: &str) -> String {
        let secret = Secret::from_base32("LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW").unwrap();
        uri(&Label::parse(issuer).unwrap(), &Label::parse(account).unwrap(), &secret).to_string()
    }

    #[test]
    fn otp_10_the_uri_is_googles_key_uri_format() {
        assert_eq!(
            example("Foo Corp", "alice@foo-corp.com"),
            "otpauth://totp/Foo%20Corp:alice@foo-corp.com?secret=LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW\
             &issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30"
        );
        assert!(
            example("A&B=C?#/", "ü+1").starts_with("otpauth://totp/A%26B%3DC%3F%23%2F:%C3%BC%2B1?secret=")
        );
    }

    /// F17: a label must not be empty or hide or reorder characters.
    #[test]
    fn otp_11_a_label_contains_no_colon_and_no_invisible_character() {
        for text in [
            "",
            " ",
            "\u{200b}",
            "Foo:Corp",
            "a\nb",
            "a\0",
            "a\u{85}b",
            "\u{202e}proC ooF",
            "a\u{2028}b",
            "a\u{feff}",
            &"x".repeat(256),
        ] {
            assert_eq!(Label::parse(text), Err(MalformedLabel), "{text:?}");
        }
        assert!(Label::parse(&"x".repeat(255)).is_ok());
    }

    /// F17: every user ID has a valid default account name.
    #[test]
    fn any_user_id_becomes_a_valid_label() {
        for (id, label) in [
            ("a:b c", "a_b c"),
            ("\u{202e}a\u{200d}", "_a_"),
            (" \u{3000}", "__"),
            ("\u{200b}", "_"),
            ("ü😀", "ü😀"),
        ] {
            let default = Label::from_user_id(&UserId::parse(id).unwrap());
            assert_eq!(default.as_str(), label);
            assert_eq!(Label::parse(label), Ok(default));
        }
    }

    proptest! {
        #[test]
        fn otp_10_any_label_round_trips(issuer in "[^:\\p{C}\\p{Z}]{1,60}", account in "[^:\\p{C}\\p{Z}]{1,60}") {
            let uri = example(&issuer, &account);
            prop_assert!(uri.is_ascii() && !uri.contains([' ', '+', '"']));
            let (label, query) = uri.strip_prefix("otpauth://totp/").unwrap().split_once('?').unwrap();
            let (read_issuer, read_account) = label.split_once(':').unwrap();
            prop_assert_eq!(percent_decode_str(read_issuer).decode_utf8().unwrap(), issuer.as_str());
            prop_assert_eq!(percent_decode_str(read_account).decode_utf8().unwrap(), account.as_str());
            let parameter = query.split('&').find_map(|pair| pair.strip_prefix("issuer=")).unwrap();
            prop_assert_eq!(parameter, read_issuer);
        }
    }
}
