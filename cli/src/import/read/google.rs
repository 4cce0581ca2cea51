//! What Google Authenticator exports: `otpauth-migration://offline?data=…`, one URI per line. An export of many accounts is
//! split into several QR codes, each a URI.
//!
//! The data is Base64 of a Protocol Buffers message, whose secrets are raw bytes. Google has not documented it.

use super::{Entries, Found, Source, by_line};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp};
use crate::import::refusal::Refusal;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// An export, or a part of one.
#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(message, repeated, tag = "1")]
    accounts: Vec<Account>,
    #[prost(int32, tag = "3")]
    batch_size: i32,
    #[prost(int32, tag = "4")]
    batch_index: i32,
    #[prost(int32, tag = "5")]
    batch_id: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Account {
    #[prost(bytes = "vec", tag = "1")]
    secret: Vec<u8>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    issuer: String,
    #[prost(int32, tag = "4")]
    algorithm: i32,
    #[prost(int32, tag = "5")]
    digits: i32,
    #[prost(int32, tag = "6")]
    kind: i32,
}

/// For each export, its number of QR codes and which of them were read.
type Batches = BTreeMap<i32, (i32, Vec<i32>)>;

pub(super) fn read(source: Source) -> Entries {
    let batches = Arc::new(Mutex::new(Batches::new()));
    let seen = Arc::clone(&batches);
    let entries = by_line(source, move |line| match payload(line) {
        Err(refusal) => vec![Err(refusal)],
        Ok(payload) => {
            let mut batches = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = batches.entry(payload.batch_id).or_insert((payload.batch_size, Vec::new()));
            batch.1.push(payload.batch_index);
            payload.accounts.into_iter().map(entry).collect()
        }
    });
    let missing = std::iter::once_with(move || {
        let batches = std::mem::take(&mut *batches.lock().unwrap_or_else(PoisonError::into_inner));
        batches.into_values().flat_map(|(size, seen)| {
            let missing = (0..size).filter(move |index| !seen.contains(index));
            missing.map(move |index| Refusal::MissingBatch(index.saturating_add(1), size))
        })
    });
    Box::new(entries.chain(missing.flatten().map(|refusal| Ok(Found { place: 0, entry: Err(refusal) }))))
}

fn payload(line: &str) -> Result<Payload, Refusal> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let malformed = Refusal::Malformed("the line is not an otpauth-migration:// URI");
    let query = line.strip_prefix("otpauth-migration://offline?").ok_or_else(|| malformed.clone())?;
    let data =
        query.split('&').find_map(|pair| pair.strip_prefix("data=")).ok_or_else(|| malformed.clone())?;
    let data = percent_decode_str(data).decode_utf8().map_err(|_| malformed.clone())?;
    // Base64 has no space; some readers of QR codes turn each plus into one.
    let data = Zeroizing::new(data.replace(' ', "+"));
    let bytes = Zeroizing::new(BASE64.decode(data.as_bytes()).map_err(|_| malformed.clone())?);
    Payload::decode(bytes.as_slice()).map_err(|_| malformed)
}

fn entry(account: Account) -> Result<Entry, Refusal> {
    match account.kind {
        2 => {}
        1 => return Err(Refusal::NotTotp("HOTP")),
        _ => return Err(Refusal::NotTotp("of another type")),
    }
    // The name may repeat the issuer: `Foo Corp:alice@example.com`.
    let (name_issuer, name) = match account.name.split_once(':') {
        Some((issuer, name)) => (issuer.trim().to_owned(), name.trim_start().to_owned()),
        None => (String::new(), account.name.clone()),
    };
    let issuer = if account.issuer.is_empty() { name_issuer } else { account.issuer };
    let totp = Totp {
        secret: Some(SourceSecret::Bytes(Zeroizing::new(account.secret))),
        issuer: Some(issuer),
        account: Some(name.clone()),
        // 0 is "unspecified", which the app takes for the default.
        algorithm: match account.algorithm {
            0 | 1 => None,
            2 => Some("SHA256".to_owned()),
            3 => Some("SHA512".to_owned()),
            4 => Some("MD5".to_owned()),
            _ => Some("unknown".to_owned()),
        },
        digits: match account.digits {
            0 | 1 => None,
            2 => Some("8".to_owned()),
            _ => Some("unknown".to_owned()),
        },
        period: None,
    };
    Ok(Entry { user_id: Some(name), kind: Kind::Totp(totp), ..Entry::default() })
}
