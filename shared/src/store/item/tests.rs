//! F1: every item round-trips, including the extreme values of every type.

use super::environment::{from_registration, to_deletion_state, to_registration};
use super::*;
use crate::domain::api_key::{ApiKeyEntry, ApiKeyHash};
use crate::domain::environment::DeletionState;
use crate::domain::environment::{DamagedEntry, Environment, Registration, Tag, WrappedKey};
use crate::domain::guard::{ChallengeAttempts, Guard};
use crate::domain::id::{ApiKeyId, AttemptId, RecoveryCodesId};
use crate::domain::recovery::{RecoveryCodeMac, RecoveryCodes};
use crate::domain::scope::Scope;
use crate::domain::time::Timestamp;
use crate::domain::totp::Step;
use aws_sdk_dynamodb::primitives::Blob;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use std::time::Duration;

/// Any time that can be computed: a supported time, shifted by any duration.
fn timestamp() -> impl Strategy<Value = Timestamp> {
    let (first, last) = (Timestamp::MIN.millis(), Timestamp::MAX.millis());
    let start = prop_oneof![Just(first), Just(last), Just(0), first..=last];
    (start, any::<u64>(), any::<bool>(), any::<bool>()).prop_map(|(millis, by, far, later)| {
        let start = Timestamp::from_millis(millis).unwrap();
        let by = if far { Duration::from_secs(by) } else { Duration::from_nanos(by) };
        if later { start.plus(by) } else { start.minus(by) }
    })
}

/// Any valid ID, without its prefix.
fn bare() -> impl Strategy<Value = String> {
    let edges = prop_oneof![Just(0), Just(u128::MAX), any::<u128>()];
    edges.prop_map(|value| ulid::Ulid::from(value).to_string())
}

macro_rules! ids {
    ($($name:ident -> $type:ty),*) => {
        $(fn $name() -> impl Strategy<Value = $type> {
            bare().prop_map(|text| <$type>::parse_bare(&text).unwrap())
        })*
    };
}

ids!(factor_id -> FactorId, challenge_id -> ChallengeId, environment_id -> EnvironmentId, attempt_id -> AttemptId,
    data_key_id -> DataKeyId, recovery_codes_id -> RecoveryCodesId, environment_key_id -> EnvironmentKeyId, api_key_id -> ApiKeyId);

fn label() -> impl Strategy<Value = Label> {
    // Includes stored labels that predate a stricter rule.
    "\\PC{1,40}|[\u{200b}\u{202e}: \n]{1,10}".prop_map(|text| Label::stored(&text))
}

fn name() -> impl Strategy<Value = FactorName> {
    "[a-zA-Z0-9:'äß漢]{1,60}".prop_map(|text| FactorName::parse(&text).unwrap())
}

fn user() -> impl Strategy<Value = UserId> {
    "[^\\p{Cc}]{1,60}".prop_map(|text| UserId::parse(&text).unwrap())
}

fn credential() -> impl Strategy<Value = Credential> {
    let phone = ("\\+[1-9][0-9]{1,14}", "[A-Z]{2}");
    prop_oneof![
        (label(), label(), sealed()).prop_map(|(issuer, account, secret)| Credential::Totp {
            issuer,
            account,
            secret
        }),
        phone.prop_map(|(number, country)| Credential::Sms {
            phone: Phone::stored(number, Country::parse(&country).unwrap())
        }),
        Just(Credential::GenericOtp),
    ]
}

fn spent() -> impl Strategy<Value = ChallengeAttempts> {
    (vec(attempt_id(), 0..6), of(attempt_id()), timestamp()).prop_map(
        |(attempts, verified_by, expires_at)| ChallengeAttempts { attempts, verified_by, expires_at },
    )
}

fn guard() -> impl Strategy<Value = Guard> {
    (
        prop_oneof![Just(u64::MAX), any::<u64>()],
        prop_oneof![Just(u32::MAX), any::<u32>()],
        vec(timestamp(), 0..30),
        (of(timestamp()), of(timestamp())),
        of(prop_oneof![Just(u64::MAX), any::<u64>()].prop_map(Step)),
        btree_map(challenge_id(), spent(), 0..5),
    )
        .prop_map(
            |(version, failures, recent_failures, (locked_until, last_used_at), last_step, spent)| Guard {
                version,
                failures,
                recent_failures,
                locked_until,
                last_used_at,
                last_step,
                spent,
            },
        )
}

fn sealed() -> impl Strategy<Value = Sealed> {
    (environment_key_id(), vec(any::<u8>(), 0..120)).prop_map(|(key, bytes)| Sealed { key, bytes })
}

fn factor() -> impl Strategy<Value = Factor> {
    (factor_id(), environment_id(), timestamp(), (of(user()), of(name())), credential(), guard()).prop_map(
        |(id, environment, created_at, (user, name), credential, guard)| Factor {
            id,
            environment,
            created_at,
            user,
            name,
            credential,
            guard,
        },
    )
}

fn recovery_codes() -> impl Strategy<Value = RecoveryCodes> {
    let codes = vec(any::<[u8; 32]>().prop_map(RecoveryCodeMac), 0..11);
    (
        (recovery_codes_id(), environment_id(), user()),
        timestamp(),
        any::<bool>(),
        (any::<u8>(), sealed()),
        codes,
        guard(),
    )
        .prop_map(
            |((id, environment, user), created_at, accept_on_challenges, (total, key), codes, guard)| {
                let total = total.into();
                RecoveryCodes {
                    id,
                    environment,
                    user,
                    created_at,
                    accept_on_challenges,
                    total,
                    key,
                    codes,
                    guard,
                }
            },
        )
}

fn challenge() -> impl Strategy<Value = Challenge> {
    let code = (environment_key_id(), any::<[u8; 32]>()).prop_map(|(key, mac)| CodeMac { key, mac });
    (challenge_id(), factor(), timestamp(), timestamp(), of(code)).prop_map(
        |(id, factor, created_at, expires_at, code)| {
            let code = code.map_or(ChallengeCode::Computed, ChallengeCode::Sent);
            let mut challenge = Challenge::new(&factor, id, code, created_at);
            challenge.expires_at = expires_at;
            // A snapshot that makes the item too large is left out.
            if !from_challenge(&challenge).contains_key(attr::SNAPSHOT) {
                challenge.snapshot = None;
            }
            challenge
        },
    )
}

fn phone_log() -> impl Strategy<Value = PhoneLog> {
    let state = prop::sample::select(MessageState::ALL.as_slice());
    let last = (challenge_id(), of(any::<[u8; 32]>().prop_map(RequestMac)), state);
    let last = last.prop_map(|(challenge, key, state)| LastMessage {
        request: MessageRequest { challenge, key },
        state,
    });
    (any::<u64>(), vec(timestamp(), 0..11), of(last)).prop_map(|(version, sends, last)| PhoneLog {
        version,
        sends,
        last,
    })
}

fn registration() -> impl Strategy<Value = Registration> {
    let key = (any::<[u8; 32]>(), prop::sample::select(Scope::ALL.to_vec()), of(timestamp()));
    let wrapped = (data_key_id(), vec(any::<u8>(), 0..80));
    (
        (environment_id(), "[a-z0-9-]{1,32}"),
        btree_map(api_key_id(), key, 0..20),
        btree_map(environment_key_id(), wrapped, 0..5),
        of(timestamp()),
    )
        .prop_map(|((id, tag), api_keys, keys, deleted_at)| Registration {
            environment: Environment { id, tag: Tag::parse(&tag).unwrap() },
            api_keys: api_keys
                .into_iter()
                .map(|(id, (hash, scope, expires_at))| ApiKeyEntry {
                    id,
                    hash: ApiKeyHash(hash),
                    scope,
                    expires_at,
                })
                .collect(),
            keys: keys
                .into_iter()
                .map(|(id, (data_key, bytes))| WrappedKey { id, data_key, bytes })
                .collect(),
            deleted_at,
            damaged: Vec::new(),
        })
}

/// Replaces one value of `item`, at any depth.
fn damage(item: &mut Item, at: usize, with: &AttributeValue) {
    let names: Vec<String> = {
        let mut names: Vec<_> = item.keys().cloned().collect();
        names.sort();
        names
    };
    let Some(name) = names.get(at % names.len().max(1)) else { return };
    match item.get_mut(name) {
        Some(AttributeValue::M(inner)) if !at.is_multiple_of(3) => damage(inner, at / names.len(), with),
        _ => drop(item.insert(name.clone(), with.clone())),
    }
}

fn junk() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        Just(AttributeValue::Null(true)),
        "\\PC{0,8}".prop_map(AttributeValue::S),
        prop_oneof![Just("253402207200999".to_owned()), Just(i64::MAX.to_string()), Just("1E+37".to_owned())]
            .prop_map(AttributeValue::N),
        vec(any::<u8>(), 0..4).prop_map(|bytes| AttributeValue::B(Blob::new(bytes))),
        Just(AttributeValue::M(Item::new())),
        Just(AttributeValue::L(vec![AttributeValue::Bool(true)])),
    ]
}

proptest! {
    #[test]
    fn any_factor_round_trips(factor in factor()) {
        let item = from_factor(&factor);
        prop_assert_eq!(to_summary(&item).unwrap(), factor.summary());
        prop_assert_eq!(to_factor(&item).unwrap(), factor);
    }

    #[test]
    fn any_challenge_round_trips(challenge in challenge()) {
        let item = from_challenge(&challenge);
        prop_assert_eq!(to_challenge(&item).unwrap(), challenge);
        prop_assert!(integer::<u64>(&item, attr::TTL).is_ok());
    }

    #[test]
    fn any_recovery_codes_round_trip(set in recovery_codes()) {
        prop_assert_eq!(to_recovery_codes(&from_recovery_codes(&set)).unwrap(), set);
    }

    #[test]
    fn any_phone_log_round_trips(log in phone_log()) {
        prop_assert_eq!(to_phone_log(&from_phone_log(&log)).unwrap(), log);
    }

    #[test]
    fn any_data_key_round_trips(id in data_key_id(), bytes in vec(any::<u8>(), 0..200)) {
        let key = WrappedDataKey { id, bytes };
        prop_assert!(to_data_key(&from_data_key(&key)).unwrap() == key);
    }

    #[test]
    fn any_environment_round_trips(registration in registration()) {
        let item = from_registration(&registration);
        let Registration { environment, deleted_at, .. } = &registration;
        let state = DeletionState { id: Some(environment.id), deleted_at: *deleted_at };
        prop_assert_eq!(to_deletion_state(&item), state);
        prop_assert_eq!(to_registration(&item).unwrap(), registration);
    }

    /// A damaged entry is reported by its ID and does not affect the others.
    #[test]
    fn a_damaged_entry_of_an_environment_does_not_affect_the_others(registration in registration(), at: prop::sample::Index, junk in junk()) {
        prop_assume!(!registration.api_keys.is_empty());
        let mut item = from_registration(&registration);
        let mut expected = registration;
        let id = expected.api_keys.remove(at.index(expected.api_keys.len())).id.bare();
        let Some(AttributeValue::M(api_keys)) = item.get_mut(attr::API_KEYS) else { panic!("no API keys") };
        let Some(AttributeValue::M(entry)) = api_keys.get_mut(&id) else { panic!("no {id}") };
        entry.insert(attr::EXPIRES_AT.to_owned(), junk);
        expected.damaged.push(DamagedEntry::ApiKey(id));
        prop_assert_eq!(to_registration(&item).unwrap(), expected);
    }

    #[test]
    fn reading_a_damaged_item_never_panics(
        factor in factor(),
        challenge in challenge(),
        registration in registration(),
        log in phone_log(),
        at: usize,
        junk in junk(),
    ) {
        let (mut factor, mut challenge) = (from_factor(&factor), from_challenge(&challenge));
        let (mut registration, mut log) = (from_registration(&registration), from_phone_log(&log));
        for item in [&mut factor, &mut challenge, &mut registration, &mut log] {
            damage(item, at, &junk);
        }
        let _ = (to_factor(&factor), to_challenge(&challenge), to_phone_log(&log), to_deletion_state(&registration));
        let _ = to_registration(&registration);
    }

    #[test]
    fn reading_damaged_recovery_codes_never_panics(set in recovery_codes(), at: usize, junk in junk()) {
        let mut set = from_recovery_codes(&set);
        damage(&mut set, at, &junk);
        let _ = to_recovery_codes(&set);
    }
}
