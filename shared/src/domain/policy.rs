//! Security limits: every number that verdicts, lockouts, keys and text messages depend on, with its unit and source.

use super::phone::Country;
use super::sms_budget::MicroUsd;
use std::collections::BTreeSet;
use std::time::Duration;

/// The part of the policy that an operator can configure (see `config.rs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Accepted clock skew of authenticator apps.
    pub totp_skew: Skew,
    /// Minimum length of an imported TOTP secret.
    pub totp_import_min: SecretBits,
    /// Countries that text messages may be sent to.
    pub sms_countries: Countries,
    /// Maximum price of one message.
    pub sms_max_price: MicroUsd,
    /// Maximum cost of all messages per day, each counted at the maximum price.
    pub sms_daily_budget: MicroUsd,
    /// Maximum cost of the messages of one environment per day.
    pub sms_environment_daily_budget: MicroUsd,
}

/// Countries whose phone numbers can be enrolled and sent text messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Countries {
    /// Every country.
    All,
    /// Only these. An empty set turns SMS off.
    Only(BTreeSet<Country>),
}

impl Countries {
    /// Whether `country` is allowed.
    #[must_use]
    pub fn allow(&self, country: &Country) -> bool {
        match self {
            Self::All => true,
            Self::Only(countries) => countries.contains(country),
        }
    }
}

/// How many time steps before and after the current one are accepted for a TOTP code.
///
/// RFC 6238 §5.2 allows at most one step of delay, §6 the same in the other direction; ASVS 6.5.5 recommends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// Only the current step: a code is valid for 30 s.
    None,
    /// The previous, current and next step: a code is valid for up to 90 s.
    OneStep,
}

impl Skew {
    /// The number of accepted steps on either side of the current one.
    #[must_use]
    pub const fn steps(self) -> u64 {
        match self {
            Self::None => 0,
            Self::OneStep => 1,
        }
    }
}

/// The length of a TOTP secret in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretBits(pub usize);

impl SecretBits {
    /// The length of `bytes` bytes.
    #[must_use]
    pub const fn of_bytes(bytes: usize) -> Self {
        Self(bytes.saturating_mul(8))
    }

    /// The number of bytes that have at least this many bits.
    #[must_use]
    pub const fn to_bytes(self) -> usize {
        self.0.div_ceil(8)
    }
}

/// Number of digits of every code (RFC 4226 R4 and SP 800-63B-4 §3.1.3.2: at least six).
pub const CODE_DIGITS: usize = 6;

/// Length of a TOTP time step (the default of RFC 6238 §4.1, which every authenticator app supports).
pub const TOTP_STEP: Duration = Duration::from_secs(30);

/// Length of a new TOTP secret in bytes (RFC 4226 R6 recommends 160 bits).
pub const TOTP_SECRET_BYTES: usize = 20;

/// Number of recovery codes in a set.
pub const RECOVERY_CODES: usize = 10;

/// Length of a recovery code in random bytes: 120 bits, more than the 112 from which on a keyed MAC protects it at rest (SP
/// 800-63B-4 §3.1.2.2, ASVS 6.5.2).
pub const RECOVERY_CODE_BYTES: usize = 15;

/// Length of a recovery code in characters of Crockford's Base32, without the dashes between groups.
pub const RECOVERY_CODE_CHARS: usize = 24;

/// How long a request that verifies a recovery code without a challenge accepts a guess: longer than a request can run.
pub const RECOVERY_PROMPT_TTL: Duration = Duration::from_mins(1);

/// Allowed lengths of an imported TOTP secret in bytes: 80 bits is what many systems generate, 512 bits the SHA-1 block
/// size.
pub const IMPORTED_SECRET_BYTES: std::ops::RangeInclusive<usize> = 10..=64;

/// Default minimum length of an imported TOTP secret. Shorter than the standards require, because a user whose secret is
/// refused has no second factor until they enroll again.
pub const DEFAULT_IMPORT_MIN: SecretBits = SecretBits(80);

/// The highest minimum that an operator can set: the length of a new secret.
pub const MAX_IMPORT_MIN: SecretBits = SecretBits(160);

/// A secret with fewer bits is reported as short (RFC 4226 R6; SP 800-63B-4 §3.1.4.1 requires 112 bits).
pub const SHORT_SECRET: SecretBits = SecretBits(128);

/// How long a TOTP challenge can be verified after its creation.
pub const TOTP_CHALLENGE_TTL: Duration = Duration::from_mins(10);

/// How long an SMS challenge can be verified after its creation (at most ten minutes: SP 800-63B-4 §3.1.3.2, ASVS
/// 6.5.5).
pub const SMS_CHALLENGE_TTL: Duration = Duration::from_mins(10);

/// How long a generic one-time code can be verified after its creation (the same limit as for SMS).
pub const GENERIC_CHALLENGE_TTL: Duration = Duration::from_mins(10);

/// Maximum attempts per challenge, right or wrong: a chance of five in a million (THR-01).
pub const MAX_ATTEMPTS_PER_CHALLENGE: usize = 5;

/// How long the factor keeps the attempts made at a challenge after the challenge has expired.
///
/// Must be longer than any backward step of a server clock (five minutes, FLT-18), so that a challenge that seems open
/// again has no attempts left, and longer than a request can run.
pub const SPENT_CHALLENGE_RETENTION: Duration = Duration::from_mins(10);

/// The number of consecutive failures from which on a factor is locked temporarily (THR-06).
pub const LOCKOUT_THRESHOLD: u32 = 5;

/// The first lockout; each further failure doubles it (SP 800-63B-4 §3.2.2: "30 seconds up to an hour").
pub const MIN_LOCKOUT: Duration = Duration::from_secs(30);

/// The longest temporary lockout.
pub const MAX_LOCKOUT: Duration = Duration::from_hours(1);

/// Consecutive failures that disable a factor until an operator unlocks it (SP 800-63B-4 §3.2.2: at most 100).
pub const MAX_CONSECUTIVE_FAILURES: u32 = 100;

/// Maximum failures of a factor per rolling [`FAILURE_WINDOW`]. A success does not clear them. Twenty guesses per day
/// find a TOTP code with a probability of 2.2 % per year, an SMS code with 0.73 % (THR-08).
pub const MAX_FAILURES_PER_DAY: usize = 20;

/// See [`MAX_FAILURES_PER_DAY`].
pub const FAILURE_WINDOW: Duration = Duration::from_hours(24);

/// Maximum number of challenges of one factor whose attempts are kept at the same time.
///
/// Keeps the factor's item far below DynamoDB's limit of 400 KB. No user answers fifty prompts within twenty minutes.
pub const MAX_TRIED_CHALLENGES: usize = 50;

/// How long after its expiry a challenge's item is kept before DynamoDB's TTL may delete it (EXP-05).
pub const CHALLENGE_RETENTION: Duration = Duration::from_hours(24);

/// Maximum length of an issuer, an account name or a user ID, in bytes (OTP-11).
pub const MAX_LABEL_BYTES: usize = 255;

/// How long a warm function caches an environment with its API keys. A revoked key may be accepted for that long
/// (KEY-06).
pub const API_KEY_CACHE_TTL: Duration = Duration::from_mins(1);

/// Maximum number of environments, with their unwrapped keys, that one warm function caches (SEC-04).
pub const MAX_CACHED_ENVIRONMENTS: usize = 1_000;

/// Minimum interval between two reads of the same environment that are caused by unknown API keys, and between two
/// reads of the list of environments that are caused by unknown tags. A new key or environment may take that long to be
/// accepted. Guessing keys causes one read per interval, not one per key.
pub const UNKNOWN_KEY_READ_INTERVAL: Duration = Duration::from_secs(1);

/// Minimum response time for an unknown API key. Longer than a read of the table, so that response times do not reveal
/// which environments exist.
pub const UNKNOWN_KEY_DELAY: Duration = Duration::from_millis(25);

/// Maximum number of API keys of an environment. More than one, so that keys can be rotated (KEY-07), and few enough to
/// be read with one item.
pub const MAX_API_KEYS: usize = 20;

/// Maximum lifetime of an API key that expires: ten years, so that the expiry stays within the supported range of
/// timestamps.
pub const MAX_API_KEY_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// Minimum age of a key before anything is sealed with it. Longer than [`API_KEY_CACHE_TTL`], so that every warm
/// function has read the key, with a margin for clock differences.
pub const NEW_KEY_DELAY: Duration = Duration::from_mins(2);

/// How long an unreferenced key is kept after its replacement. Longer than a warm function may still seal with it, and
/// longer than any open challenge can reference it.
pub const RETIRED_KEY_RETENTION: Duration = Duration::from_hours(1);

/// Maximum number of SMS segments per message: one GSM-7 segment is 160 characters, one UCS-2 segment 70 (3GPP TS
/// 23.038).
pub const MAX_SMS_SEGMENTS: usize = 1;

/// The message template if neither the request nor the operator sets one.
pub const DEFAULT_SMS_TEMPLATE: &str = "Your verification code is {{code}}.";

/// The cooldown after a message to a number; each further message within [`SMS_WINDOW`] doubles it (SMS-03).
pub const SMS_COOLDOWN: Duration = Duration::from_secs(30);

/// Maximum number of messages to a phone number within [`SMS_WINDOW`].
pub const MAX_SMS_PER_10_MIN: usize = 5;
/// See [`MAX_SMS_PER_10_MIN`].
pub const SMS_WINDOW: Duration = Duration::from_mins(10);

/// Maximum number of messages to a phone number within [`SMS_DAY`].
pub const MAX_SMS_PER_DAY: usize = 10;
/// See [`MAX_SMS_PER_DAY`].
pub const SMS_DAY: Duration = Duration::from_hours(24);

/// How long after the reservation of a message its outcome may still become known: as long as a request can run. Until
/// then a retried request is answered 503. After that the outcome stays unknown and the cooldown applies.
pub const SMS_OUTCOME_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum number of messages to phone numbers with the same first [`SMS_PREFIX_DIGITS`] digits, within
/// [`SMS_PREFIX_WINDOW`]. SMS pumping uses ranges of numbers.
pub const MAX_SMS_PER_PREFIX: u32 = 50;
/// See [`MAX_SMS_PER_PREFIX`].
pub const SMS_PREFIX_DIGITS: usize = 8;
/// See [`MAX_SMS_PER_PREFIX`].
pub const SMS_PREFIX_WINDOW: Duration = Duration::from_hours(1);

/// The period of the spending budgets.
pub const SMS_BUDGET_DAY: Duration = Duration::from_hours(24);

/// Default maximum price of one message: $0.10.
pub const DEFAULT_SMS_MAX_PRICE: MicroUsd = MicroUsd(100_000);

/// Default maximum cost of all messages per day: $20, each counted at the maximum price.
pub const DEFAULT_SMS_DAILY_BUDGET: MicroUsd = MicroUsd(20_000_000);

/// The daily budget of the local server, whose messages cost nothing.
pub const LOCAL_SMS_DAILY_BUDGET: MicroUsd = MicroUsd(10_000_000_000);
