//! A factor's guard, stored as a map in the factor's item.

use super::super::StoreError;
use super::super::schema::attr;
use super::{Item, Parsed, integer, list, map, number, optional, parsed, put, text, timestamp, to_timestamp};
use crate::domain::guard::{ChallengeAttempts, Guard};
use crate::domain::id::{AttemptId, ChallengeId};
use crate::domain::totp::Step;
use aws_sdk_dynamodb::types::AttributeValue;

pub(crate) fn from_guard(guard: &Guard) -> AttributeValue {
    let mut item = Item::new();
    put(&mut item, attr::FAILURES, number(guard.failures));
    let recent = guard.recent_failures.iter().map(|failed| number(failed.millis())).collect();
    put(&mut item, attr::RECENT_FAILURES, AttributeValue::L(recent));
    if let Some(until) = guard.locked_until {
        put(&mut item, attr::LOCKED_UNTIL, number(until.millis()));
    }
    if let Some(used_at) = guard.last_used_at {
        put(&mut item, attr::LAST_USED_AT, number(used_at.millis()));
    }
    if let Some(Step(step)) = guard.last_step {
        put(&mut item, attr::LAST_STEP, number(step));
    }
    let spent = guard.spent.iter().map(|(challenge, spent)| (challenge.bare(), from_spent(spent))).collect();
    put(&mut item, attr::SPENT, AttributeValue::M(spent));
    AttributeValue::M(item)
}

pub(crate) fn to_guard(version: u64, item: &Item) -> Parsed<Guard> {
    let spent = map(item, attr::SPENT)?
        .iter()
        .map(|(challenge, spent)| {
            let challenge =
                ChallengeId::parse_bare(challenge).map_err(|_| StoreError::Corrupt(attr::SPENT))?;
            Ok((challenge, to_spent(spent.as_m().map_err(|_| StoreError::Corrupt(attr::SPENT))?)?))
        })
        .collect::<Parsed<_>>()?;
    Ok(Guard {
        version,
        failures: integer(item, attr::FAILURES)?,
        recent_failures: list(item, attr::RECENT_FAILURES, to_timestamp)?,
        locked_until: optional(item, attr::LOCKED_UNTIL, timestamp)?,
        last_used_at: optional(item, attr::LAST_USED_AT, timestamp)?,
        last_step: optional(item, attr::LAST_STEP, integer)?.map(Step),
        spent,
    })
}

fn from_spent(spent: &ChallengeAttempts) -> AttributeValue {
    let mut item = Item::new();
    let attempts = spent.attempts.iter().map(|attempt| text(attempt.bare())).collect();
    put(&mut item, attr::ATTEMPTS, AttributeValue::L(attempts));
    if let Some(attempt) = spent.verified_by {
        put(&mut item, attr::VERIFIED_BY, text(attempt.bare()));
    }
    put(&mut item, attr::EXPIRES_AT, number(spent.expires_at.millis()));
    AttributeValue::M(item)
}

fn to_spent(item: &Item) -> Parsed<ChallengeAttempts> {
    Ok(ChallengeAttempts {
        attempts: list(item, attr::ATTEMPTS, |value| AttemptId::parse_bare(value.as_s().ok()?).ok())?,
        verified_by: optional(item, attr::VERIFIED_BY, |item, name| {
            parsed(item, name, AttemptId::parse_bare)
        })?,
        expires_at: timestamp(item, attr::EXPIRES_AT)?,
    })
}
