//! otpauth URIs in Google's Key URI Format, one per line.

use super::{Entries, Source, by_line};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp};
use crate::import::refusal::Refusal;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub(super) fn read(source: Source) -> Entries {
    by_line(source, |line| vec![entry(line)])
}

/// The entry of a URI. Its user ID is the account name.
fn entry(line: &str) -> Result<Entry, Refusal> {
    let totp = parse(line)?;
    Ok(Entry { user_id: totp.account.clone(), kind: Kind::Totp(totp), ..Entry::default() })
}

/// Reads `otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=…&algorithm=…&digits=…&period=…`.
pub(super) fn parse(uri: &str) -> Result<Totp, Refusal> {
    let malformed = || Refusal::Malformed("the line is not an otpauth:// URI");
    let (kind, rest) =
        uri.strip_prefix("otpauth://").and_then(|rest| rest.split_once('/')).ok_or_else(malformed)?;
    match kind.to_ascii_lowercase().as_str() {
        "totp" => {}
        "hotp" => return Err(Refusal::NotTotp("HOTP")),
        _ => return Err(Refusal::NotTotp("of another type")),
    }
    let (label, query) = rest.split_once('?').ok_or_else(malformed)?;
    let label = decoded(label)?;
    let (label_issuer, account) = match label.split_once(':') {
        Some((issuer, account)) => (Some(issuer.trim().to_owned()), account.trim_start().to_owned()),
        None => (None, label.to_string()),
    };
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if parameters.insert(name.to_ascii_lowercase(), decoded(value)?).is_some() {
            return Err(Refusal::Malformed("the URI has a parameter twice"));
        }
    }
    let mut take = |name: &str| parameters.remove(name).filter(|value| !value.is_empty());
    let secret = take("secret").map(SourceSecret::Base32);
    let mut text = |name: &str| take(name).map(|value| value.to_string());
    // The label is preferred: pquerna/otp does not encode an `&` in the parameter, and encoders of forms write a space as a
    // plus.
    let issuer = text("issuer").map(|issuer| issuer.replace('+', " "));
    Ok(Totp {
        secret,
        issuer: label_issuer.filter(|issuer| !issuer.is_empty()).or(issuer),
        account: Some(account),
        algorithm: text("algorithm"),
        digits: text("digits"),
        period: text("period"),
    })
}

/// Percent-decodes a part of a URI (RFC 3986 §2.1).
fn decoded(text: &str) -> Result<Zeroizing<String>, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(|text| Zeroizing::new(text.into_owned()))
        .map_err(|_| Refusal::Malformed("a part of the URI is not UTF-8"))
}
