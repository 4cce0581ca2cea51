//! Documents of JSON: one array, one object, or an object per line. A document is read as a whole.

use super::{Entries, Found, Source, Unreadable};
use crate::import::entry::Entry;
use crate::import::refusal::Refusal;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read as _;
use zeroize::Zeroizing;

/// The whole file as text.
pub(super) fn text(mut source: Source) -> Result<Zeroizing<String>, Unreadable> {
    let mut text = Zeroizing::new(String::new());
    source.read_to_string(&mut text)?;
    Ok(text)
}

/// Reads the objects of a document, and each object's entries. `field` is the field of the document that has them, if the
/// document is not itself their array.
pub(super) fn read<T: DeserializeOwned + Send + 'static>(
    source: Source,
    field: Option<&'static str>,
    parse: impl Fn(T) -> Vec<Result<Entry, Refusal>> + Send + 'static,
) -> Entries {
    let objects = match text(source).and_then(|text| objects(&text, field)) {
        Ok(objects) => objects,
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    let entries = objects.into_iter().flat_map(move |object| {
        // The error is not shown: it can contain a value.
        serde_json::from_value(object).map_or_else(
            |_| vec![Err(Refusal::Malformed("an object of the file has not the fields of its format"))],
            &parse,
        )
    });
    Box::new(entries.zip(1..).map(|(entry, place)| Ok(Found { place, entry })))
}

fn objects(text: &str, field: Option<&str>) -> Result<Vec<Value>, Unreadable> {
    let syntax = |error: &serde_json::Error| Unreadable::Syntax {
        line: u64::try_from(error.line()).unwrap_or_default(),
        expected: "JSON",
    };
    let mut objects = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let mut document = document.map_err(|error| syntax(&error))?;
        let listed = field.and_then(|field| document.get_mut(field)).map(Value::take).unwrap_or(document);
        match listed {
            Value::Array(items) => objects.extend(items),
            object => objects.push(object),
        }
    }
    Ok(objects)
}
