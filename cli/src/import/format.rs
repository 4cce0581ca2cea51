//! The formats that can be imported, and how a file's format is detected.

use clap::ValueEnum;

/// How many bytes of a file are looked at to detect its format.
pub(super) const DETECTED_BYTES: usize = 64 * 1024;

/// A format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Latchkey's own lines of JSON, as `latchkey export` writes them
    Ndjson,
    /// otpauth:// URIs, one per line; the user ID is the account name
    Otpauth,
    /// otpauth-migration:// URIs of Google Authenticator, one per line; the user ID is the account name
    Google,
    /// CSV with the columns `user_id` and `secret`, and optionally `issuer`, `account` and others
    Csv,
    /// CSV of hexadecimal OATH keys, as privacyIDEA writes and reads it
    Oath,
    /// Users of Auth0 with `mfa_factors`, as Auth0 imports them
    Auth0,
    /// The table `auth.mfa_factors` of Supabase, as CSV or JSON
    Supabase,
    /// A realm that Keycloak exported with its users
    Keycloak,
    /// Identities of Ory Kratos with their credentials
    Kratos,
    /// `authelia storage user totp export`, as YAML or CSV
    Authelia,
}

impl Format {
    /// The name, as `--format` takes it.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The format of a file that starts like this; `None` if no format does.
    pub(super) fn detect(start: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(start);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with(['{', '[']) {
            return Self::detect_json(text);
        }
        let content = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
        if content.starts_with("otpauth-migration:") {
            return Some(Self::Google);
        }
        if content.starts_with("otpauth:") {
            return Some(Self::Otpauth);
        }
        if content.starts_with("totp_configurations:") {
            return Some(Self::Authelia);
        }
        let columns: Vec<String> =
            content.split(',').map(|cell| cell.trim().trim_matches('"').to_lowercase()).collect();
        let has = |name: &str| columns.iter().any(|column| column == name);
        if has("factor_type") && has("secret") {
            Some(Self::Supabase)
        } else if columns == super::AUTHELIA_COLUMNS {
            Some(Self::Authelia)
        } else if has("user_id") && has("secret") {
            Some(Self::Csv)
        } else if has("totp") || has("hotp") {
            Some(Self::Oath)
        } else {
            None
        }
    }

    fn detect_json(text: &str) -> Option<Self> {
        let own_types = ["totp", "sms", "generic_otp", crate::portable::RECOVERY_CODES];
        let first: Option<serde_json::Value> =
            text.lines().next().and_then(|line| serde_json::from_str(line).ok());
        let own_type = first.as_ref().and_then(|value| value.get("type")).and_then(serde_json::Value::as_str);
        if own_type.is_some_and(|name| own_types.contains(&name)) {
            return Some(Self::Ndjson);
        }
        // Fields that only this format has.
        let marks = [
            (Self::Auth0, "\"mfa_factors\""),
            (Self::Keycloak, "\"credentialData\""),
            (Self::Keycloak, "\"realm\""),
            (Self::Kratos, "\"totp_url\""),
            (Self::Kratos, "\"schema_id\""),
            (Self::Supabase, "\"factor_type\""),
        ];
        marks.into_iter().find(|(_, mark)| text.contains(mark)).map(|(format, _)| format)
    }
}
