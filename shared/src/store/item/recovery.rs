//! A user's recovery codes as an item.

use super::{
    Item, Parsed, bytes, guard, integer, list, map, number, parsed, put, schema, text, timestamp, to_sealed,
};
use crate::domain::id::{EnvironmentId, RecoveryCodesId};
use crate::domain::recovery::{RecoveryCodeMac, RecoveryCodes};
use crate::domain::user::UserId;
use crate::store::StoreError;
use crate::store::schema::attr;
use aws_sdk_dynamodb::types::AttributeValue;

pub(crate) fn from_recovery_codes(set: &RecoveryCodes) -> Item {
    let mut item = schema::recovery_codes_key(set.environment, &set.user);
    put(&mut item, attr::ID, text(set.id));
    put(&mut item, attr::ENVIRONMENT, text(set.environment));
    put(&mut item, attr::USER, text(&set.user));
    put(&mut item, attr::CREATED_AT, number(set.created_at.millis()));
    put(&mut item, attr::ACCEPT_ON_CHALLENGES, AttributeValue::Bool(set.accept_on_challenges));
    put(&mut item, attr::TOTAL, number(set.total));
    put(&mut item, attr::KEY, text(set.key.key));
    put(&mut item, attr::SECRET, bytes(&set.key.bytes));
    put(&mut item, attr::CODES, recovery_code_macs(set));
    put(&mut item, attr::VERSION, number(set.guard.version));
    put(&mut item, attr::GUARD, guard::from_guard(&set.guard));
    item
}

pub(crate) fn recovery_code_macs(set: &RecoveryCodes) -> AttributeValue {
    AttributeValue::L(set.codes.iter().map(|RecoveryCodeMac(mac)| bytes(mac)).collect())
}

pub(crate) fn to_recovery_codes(item: &Item) -> Parsed<RecoveryCodes> {
    let accepts = super::get(item, attr::ACCEPT_ON_CHALLENGES)?.as_bool();
    let to_mac = |value: &AttributeValue| value.as_b().ok()?.as_ref().try_into().ok().map(RecoveryCodeMac);
    Ok(RecoveryCodes {
        id: parsed(item, attr::ID, RecoveryCodesId::parse)?,
        environment: parsed(item, attr::ENVIRONMENT, EnvironmentId::parse)?,
        user: parsed(item, attr::USER, UserId::parse)?,
        created_at: timestamp(item, attr::CREATED_AT)?,
        accept_on_challenges: *accepts.map_err(|_| StoreError::Corrupt(attr::ACCEPT_ON_CHALLENGES))?,
        total: integer(item, attr::TOTAL)?,
        key: to_sealed(item)?,
        codes: list(item, attr::CODES, to_mac)?,
        guard: guard::to_guard(integer(item, attr::VERSION)?, map(item, attr::GUARD)?)?,
    })
}
