//! CSV of OATH keys, which has no header. The column with the type says which of its three forms a line has:
//!
//! ```text
//! SERIAL, KEY, totp, 6, 30                            no user, so it cannot be imported
//! USER, RESOLVER, REALM, SERIAL, KEY, totp, 6, 30     privacyIDEA imports it, after `# version: 2`
//! USER@REALM, SERIAL, KEY, totp, 6, 30                `pi-tokenjanitor find export --format csv`
//! ```
//!
//! Keys are hexadecimal. There is no column for the hash: privacyIDEA takes a key of 32 bytes for one of SHA-256, and a
//! longer one for SHA-512.

use super::{Entries, Source, by_line};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp};
use crate::import::refusal::Refusal;
use zeroize::Zeroizing;

/// The column of the type in each form.
const PLAIN: usize = 2;
const EXPORTED: usize = 3;
const WITH_REALM: usize = 5;

pub(super) fn read(source: Source) -> Entries {
    by_line(source, |line| vec![entry(line)])
}

fn entry(line: &str) -> Result<Entry, Refusal> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let is_type =
        |cell: &&str| ["totp", "hotp", "ocra", "tan"].iter().any(|name| name.eq_ignore_ascii_case(cell));
    let column = cells
        .iter()
        .position(is_type)
        .ok_or(Refusal::Malformed("the line has no column with the type, which is `totp`"))?;
    let cell = |index: Option<usize>| {
        index.and_then(|index| cells.get(index)).copied().filter(|cell| !cell.is_empty())
    };
    if !cell(Some(column)).is_some_and(|name| name.eq_ignore_ascii_case("totp")) {
        return Err(Refusal::NotTotp("HOTP or of another type"));
    }
    let user = match column {
        EXPORTED => cell(Some(0)).filter(|user| *user != "n/a"),
        WITH_REALM => cell(Some(0)),
        PLAIN => None,
        _ => return Err(Refusal::Malformed("the line has none of the forms of OATH CSV")),
    };
    let user = user.ok_or(Refusal::Missing("user"))?;
    let serial = cell(column.checked_sub(2)).ok_or(Refusal::Missing("serial"))?;
    let key = from_hex(cell(column.checked_sub(1)).ok_or(Refusal::Missing("key"))?)?;
    let algorithm = match key.len() {
        ..32 => None,
        32 => Some("SHA256"),
        _ => Some("SHA512"),
    };
    let number = |after: usize| cell(column.checked_add(after)).map(str::to_owned);
    let totp = Totp {
        secret: Some(SourceSecret::Bytes(key)),
        algorithm: algorithm.map(str::to_owned),
        digits: number(1),
        period: number(2),
        ..Totp::default()
    };
    Ok(Entry {
        external_id: Some(format!("oath:{serial}")),
        user_id: Some(user.to_owned()),
        kind: Kind::Totp(totp),
        ..Entry::default()
    })
}

/// The bytes of a hexadecimal key.
fn from_hex(text: &str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
    let digits = digits.map(Zeroizing::new).filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or(Refusal::Malformed("the key is not hexadecimal; export it without --b32"))?;
    let bytes = digits.chunks(2).map(|pair| pair.iter().fold(0_u8, |byte, digit| (byte << 4) | digit));
    Ok(Zeroizing::new(bytes.collect()))
}
