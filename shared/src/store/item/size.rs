//! How large an item is, as DynamoDB counts it ("DynamoDB item sizes and formats" in its developer guide).

use super::Item;
use aws_sdk_dynamodb::types::AttributeValue;

/// A write unit: what one write of up to this many bytes costs.
pub(crate) const WRITE_UNIT_BYTES: usize = 1_024;

/// What a list or a map costs beside its elements, and each of those beside its content.
const CONTAINER_BYTES: usize = 3;
const ELEMENT_BYTES: usize = 1;

/// The bytes of an item: of its names and its values.
pub(crate) fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len().saturating_add(value_bytes(value))).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        // Two digits per byte, one byte more, and one for a sign. An estimate from above: zeros at the ends are free.
        AttributeValue::N(digits) => digits.len().div_ceil(2).saturating_add(1),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::L(values) => contained(values.iter().map(value_bytes)),
        AttributeValue::M(values) => {
            contained(values.iter().map(|(name, value)| name.len().saturating_add(value_bytes(value))))
        }
        // We write no other type with content.
        _ => 1,
    }
}

fn contained(elements: impl Iterator<Item = usize>) -> usize {
    elements.map(|bytes| bytes.saturating_add(ELEMENT_BYTES)).sum::<usize>().saturating_add(CONTAINER_BYTES)
}
