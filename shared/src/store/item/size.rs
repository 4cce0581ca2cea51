//! The size of an item as DynamoDB counts it ("DynamoDB item sizes and formats" in its developer guide).

use super::Item;
use aws_sdk_dynamodb::types::AttributeValue;

/// The largest item, in bytes, whose write costs one write unit.
pub(crate) const WRITE_UNIT_BYTES: usize = 1_024;

/// Overhead of a list or a map, and of each of its elements, in bytes.
const CONTAINER_BYTES: usize = 3;
const ELEMENT_BYTES: usize = 1;

/// The size of an item in bytes: its names and its values.
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
        // No other type with content is written.
        _ => 1,
    }
}

fn contained(elements: impl Iterator<Item = usize>) -> usize {
    elements.map(|bytes| bytes.saturating_add(ELEMENT_BYTES)).sum::<usize>().saturating_add(CONTAINER_BYTES)
}
