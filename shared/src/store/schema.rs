//! The table's layout: keys, attribute names and the index. A test compares it with `template.yaml`.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | factor | `<environment>/auth_factor_…` | `factor` |
//! | challenge | `<environment>/auth_challenge_…` | `challenge` |
//! | recovery codes of a user | `<environment>/recovery_codes/<user>` | `recovery_codes` |
//! | message log of a phone number | `sms/number/<MAC>` | `budget` |
//! | messages per range of phone numbers | `sms/prefix/<MAC>/<hour>` | `budget` |
//! | spending of an environment | `sms/<environment>/<day>` | `budget` |
//! | spending of the deployment | `sms/deployment/<day>` | `budget` |
//! | environment, with its API keys and encryption keys | `environment/<tag>` | `environment` |
//! | list of environments | `environments` | `<tag>` |
//! | keyring entry | `keyring` | `data_key_…` |

use super::item::Item;
use crate::domain::environment::Tag;
use crate::domain::id::{ChallengeId, DataKeyId, EnvironmentId, FactorId};
use crate::domain::user::UserId;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The index that finds a user's factors.
pub const BY_USER: &str = "by_user";
/// The partition of the keyring.
pub const KEYRING: &str = "keyring";
/// The partition that lists the environments.
pub const ENVIRONMENTS: &str = "environments";
/// The sort key of a factor.
pub(crate) const FACTOR: &str = "factor";
/// The sort key of a user's recovery codes.
pub(crate) const RECOVERY_CODES: &str = "recovery_codes";

/// Attribute names.
pub mod attr {
    #![expect(missing_docs, reason = "the names are self-explanatory")]
    pub const PK: &str = "pk";
    pub const SK: &str = "sk";
    pub const TTL: &str = "ttl";
    pub const ID: &str = "id";
    pub const OWNER: &str = "owner";
    pub const ENVIRONMENT: &str = "environment";
    pub const TYPE: &str = "type";
    pub const CREATED_AT: &str = "created_at";
    pub const EXPIRES_AT: &str = "expires_at";
    pub const USER: &str = "user";
    pub const NAME: &str = "name";
    pub const ISSUER: &str = "issuer";
    pub const ACCOUNT: &str = "account";
    pub const PHONE: &str = "phone";
    pub const COUNTRY: &str = "country";
    pub const SECRET: &str = "secret";
    pub const KEY: &str = "key";
    pub const VERSION: &str = "version";
    pub const GUARD: &str = "guard";
    pub const FAILURES: &str = "failures";
    pub const RECENT_FAILURES: &str = "recent_failures";
    pub const LOCKED_UNTIL: &str = "locked_until";
    pub const LAST_USED_AT: &str = "last_used_at";
    pub const LAST_STEP: &str = "last_step";
    pub const SPENT: &str = "spent";
    pub const ATTEMPTS: &str = "attempts";
    pub const VERIFIED_BY: &str = "verified_by";
    pub const FACTOR: &str = "factor";
    pub const CODE: &str = "code";
    pub const CODES: &str = "codes";
    pub const TOTAL: &str = "total";
    pub const ACCEPT_ON_CHALLENGES: &str = "accept_on_challenges";
    pub const SNAPSHOT: &str = "snapshot";
    pub const SENDS: &str = "sends";
    pub const LAST_SEND: &str = "last_send";
    pub const LAST_CHALLENGE: &str = "last_challenge";
    pub const LAST_REQUEST: &str = "last_request";
    pub const LAST_STATE: &str = "last_state";
    pub const USED: &str = "used";
    pub const TAG: &str = "tag";
    pub const API_KEYS: &str = "api_keys";
    pub const HASH: &str = "hash";
    pub const SCOPE: &str = "scope";
    pub const KEYS: &str = "keys";
    pub const DELETED_AT: &str = "deleted_at";
    pub const DATA_KEY: &str = "data_key";
    pub const WRAPPED: &str = "wrapped";
}

/// Attributes projected into the index: those that a list shows. None of them changes, so a verify never updates the
/// index.
pub const LISTED: [&str; 9] = [
    attr::ENVIRONMENT,
    attr::TYPE,
    attr::CREATED_AT,
    attr::USER,
    attr::NAME,
    attr::ISSUER,
    attr::ACCOUNT,
    attr::PHONE,
    attr::COUNTRY,
];

pub(crate) fn factor_key(environment: EnvironmentId, id: FactorId) -> Item {
    key(format!("{environment}/{id}"), FACTOR)
}

pub(crate) fn challenge_key(environment: EnvironmentId, id: ChallengeId) -> Item {
    key(format!("{environment}/{id}"), "challenge")
}

/// The last part of the key is the user ID as it is: nothing follows it, so no two users have the same key.
pub(crate) fn recovery_codes_key(environment: EnvironmentId, user: &UserId) -> Item {
    key(format!("{environment}/{RECOVERY_CODES}/{user}"), RECOVERY_CODES)
}

pub(crate) fn number_key(mac: &[u8; 32]) -> Item {
    budget_key(&format!("number/{}", URL_SAFE_NO_PAD.encode(mac)))
}

pub(crate) fn prefix_key(mac: &[u8; 32], hour: u64) -> Item {
    budget_key(&format!("prefix/{}/{hour}", URL_SAFE_NO_PAD.encode(mac)))
}

pub(crate) fn environment_day_key(environment: EnvironmentId, day: u64) -> Item {
    budget_key(&format!("{environment}/{day}"))
}

/// Prefixes of the partition keys of all items of an environment: factors and challenges, and budgets.
pub(crate) fn partition_prefixes(environment: EnvironmentId) -> [String; 2] {
    [format!("{environment}/"), format!("sms/{environment}/")]
}

pub(crate) fn deployment_day_key(day: u64) -> Item {
    budget_key(&format!("deployment/{day}"))
}

fn budget_key(name: &str) -> Item {
    key(format!("sms/{name}"), "budget")
}

pub(crate) fn environment_key(tag: &Tag) -> Item {
    key(format!("environment/{tag}"), "environment")
}

pub(crate) fn listed_environment_key(tag: &Tag) -> Item {
    key(ENVIRONMENTS.to_owned(), tag.as_str())
}

pub(crate) fn data_key_key(id: DataKeyId) -> Item {
    key(KEYRING.to_owned(), &id.to_string())
}

/// Whether an item is a factor.
pub(crate) fn is_factor(item: &Item) -> bool {
    item.get(attr::SK).and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk == FACTOR)
}

/// The index's partition: the user within the environment.
pub(crate) fn owner(environment: EnvironmentId, user: &UserId) -> String {
    format!("{environment}/{user}")
}

pub(crate) fn key(pk: String, sk: &str) -> Item {
    Item::from([
        (attr::PK.to_owned(), AttributeValue::S(pk)),
        (attr::SK.to_owned(), AttributeValue::S(sk.to_owned())),
    ])
}
