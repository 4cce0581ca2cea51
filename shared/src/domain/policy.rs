//! The security limits: every number a verdict, a lock, a key or a message depends on, with its unit and its source.

use super::phone::Country;
use super::sms_budget::MicroUsd;
use std::collections::BTreeSet;
use std::time::Duration;

/// The part of the policy an operator may choose (see `config.rs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How far an authenticator's clock may be off.
    pub totp_skew: Skew,
    /// Where text messages may go.
    pub sms_countries: Countries,
    /// What one message may cost at most.
    pub sms_max_price: MicroUsd,
    /// What all messages of a day may cost, each counted at its highest price.
    pub sms_daily_budget: MicroUsd,
    /// The same for one environment.
    pub sms_environment_daily_budget: MicroUsd,
}

/// Countries whose numbers may be enrolled and texted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Countries {
    /// Every country.
    All,
    /// Only these; none means no SMS at all.
    Only(BTreeSet<Country>),
}

impl Countries {
    /// Whether `country` is among them.
    #[must_use]
    pub fn allow(&self, country: &Country) -> bool {
        match self {
            Self::All => true,
            Self::Only(countries) => countries.contains(country),
        }
    }
}

/// How many time steps around the current one a TOTP code may come from.
///
/// RFC 6238 §5.2 allows at most one step of delay, §6 the same forward; ASVS 6.5.5 asks for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// Only the current step: a code lives 30 s.
    None,
    /// The step before, the current one and the one after: a code lives up to 90 s.
    OneStep,
}

impl Skew {
    /// The number of steps to either side.
    #[must_use]
    pub const fn steps(self) -> u64 {
        match self {
            Self::None => 0,
            Self::OneStep => 1,
        }
    }
}

/// Digits of every code (RFC 4226 R4 and SP 800-63B-4 §3.1.3.2: at least six).
pub const CODE_DIGITS: usize = 6;

/// Length of a TOTP time step (RFC 6238 §4.1, the default every authenticator app supports).
pub const TOTP_STEP: Duration = Duration::from_secs(30);

/// Length of a new TOTP secret in bytes (RFC 4226 R6 recommends 160 bits).
pub const TOTP_SECRET_BYTES: usize = 20;

/// Lengths of an imported TOTP secret in bytes: 128 bits is RFC 4226's floor, 512 the SHA-1 block.
pub const IMPORTED_SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// How long a TOTP challenge can be verified.
pub const TOTP_CHALLENGE_TTL: Duration = Duration::from_mins(10);

/// How long an SMS challenge can be verified (at most ten minutes: SP 800-63B-4 §3.1.3.2, ASVS 6.5.5).
pub const SMS_CHALLENGE_TTL: Duration = Duration::from_mins(10);

/// How long a generic one-time code can be verified (the same bound as for SMS).
pub const GENERIC_CHALLENGE_TTL: Duration = Duration::from_mins(10);

/// Guesses a challenge accepts, right or wrong: five chances in a million (security row THR-01).
pub const MAX_ATTEMPTS_PER_CHALLENGE: usize = 5;

/// How long after a challenge's expiry its factor still remembers what the challenge has spent.
///
/// Longer than any step backwards a server clock is expected to make (five minutes, FLT-18), so that a challenge which
/// seems open again is still spent, and longer than a request whose write is being settled can live.
pub const SPENT_CHALLENGE_RETENTION: Duration = Duration::from_mins(10);

/// The consecutive failure of a factor from which on it is locked for a while (THR-06).
pub const LOCKOUT_THRESHOLD: u32 = 5;

/// The first lock; each further failure doubles it (SP 800-63B-4 §3.2.2: "30 seconds up to an hour").
pub const MIN_LOCKOUT: Duration = Duration::from_secs(30);

/// The longest lock.
pub const MAX_LOCKOUT: Duration = Duration::from_hours(1);

/// Consecutive failures that disable a factor until an operator unlocks it (SP 800-63B-4 §3.2.2: at most 100).
pub const MAX_CONSECUTIVE_FAILURES: u32 = 100;

/// Failures of a factor in a rolling [`FAILURE_WINDOW`], which a success does not forgive: twenty guesses a day find a
/// TOTP code with a chance of 2.2 % a year, a texted one with 0.73 % (THR-08).
pub const MAX_FAILURES_PER_DAY: usize = 20;

/// See [`MAX_FAILURES_PER_DAY`].
pub const FAILURE_WINDOW: Duration = Duration::from_hours(24);

/// Challenges of one factor that may have been guessed at, and are remembered, at the same time.
///
/// Bounds the factor's item far below DynamoDB's 400 KB; nobody types into fifty prompts in twenty minutes.
pub const MAX_TRIED_CHALLENGES: usize = 50;

/// How long after its expiry a challenge's item may be collected by DynamoDB's TTL (EXP-05).
pub const CHALLENGE_RETENTION: Duration = Duration::from_hours(24);

/// Bytes of an issuer, an account name or a user id (OTP-11).
pub const MAX_LABEL_BYTES: usize = 255;

/// How long a warm function may trust an API key it has seen (KEY-06).
pub const API_KEY_CACHE_TTL: Duration = Duration::from_mins(1);

/// Environments one warm function remembers at a time, with their keys (SEC-04).
pub const MAX_CACHED_ENVIRONMENTS: usize = 1_000;

/// How long an environment that has just been read is not read again for an API key it does not know, and the list of
/// environments not for a tag it does not have. A new key or environment may have to wait that long; who tries keys causes
/// one read of an environment, or of the list, in that time, not one per key.
pub const UNKNOWN_KEY_READ_INTERVAL: Duration = Duration::from_secs(1);

/// How soon an unknown API key is answered: later than the read that some of these keys cause takes, so that the time does
/// not tell which environments exist.
pub const UNKNOWN_KEY_DELAY: Duration = Duration::from_millis(25);

/// API keys an environment may have at a time: two and more, so that one can replace another (KEY-07), few enough to be
/// read together.
pub const MAX_API_KEYS: usize = 20;

/// The longest an API key can be made to live, unless it lives until it is revoked: ten years, longer than anyone plans
/// for, and far from the end of the calendar.
pub const MAX_API_KEY_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// How old a new key is before anything is sealed with it: older than what a warm function may not have heard of
/// ([`API_KEY_CACHE_TTL`]), with room for clocks that differ.
pub const NEW_KEY_DELAY: Duration = Duration::from_mins(2);

/// How long after it was replaced a key may be removed, when nothing names it: longer than a warm function may go on
/// sealing with it, and longer than any open challenge can name it.
pub const RETIRED_KEY_RETENTION: Duration = Duration::from_hours(1);

/// SMS segments a text may take: one GSM-7 segment is 160 characters, one UCS-2 segment 70 (3GPP TS 23.038).
pub const MAX_SMS_SEGMENTS: usize = 1;

/// The text of a message when neither the request nor the operator has one.
pub const DEFAULT_SMS_TEMPLATE: &str = "Your verification code is {{code}}.";

/// The wait after a message to a number; each further one within [`SMS_WINDOW`] doubles it (SMS-03).
pub const SMS_COOLDOWN: Duration = Duration::from_secs(30);

/// Messages to a number within [`SMS_WINDOW`].
pub const MAX_SMS_PER_10_MIN: usize = 5;
/// See [`MAX_SMS_PER_10_MIN`].
pub const SMS_WINDOW: Duration = Duration::from_mins(10);

/// Messages to a number within [`SMS_DAY`].
pub const MAX_SMS_PER_DAY: usize = 10;
/// See [`MAX_SMS_PER_DAY`].
pub const SMS_DAY: Duration = Duration::from_hours(24);

/// How long after a message was reserved its outcome may still become known: as long as a request can run. Until then a
/// repeated request is answered 503; after that its outcome stays unknown, and the cooldown decides.
pub const SMS_OUTCOME_TIMEOUT: Duration = Duration::from_secs(20);

/// Messages to the numbers that share their first [`SMS_PREFIX_DIGITS`] digits, within [`SMS_PREFIX_WINDOW`].
pub const MAX_SMS_PER_PREFIX: u32 = 50;
/// See [`MAX_SMS_PER_PREFIX`]. Pumping uses ranges of numbers.
pub const SMS_PREFIX_DIGITS: usize = 8;
/// See [`MAX_SMS_PER_PREFIX`].
pub const SMS_PREFIX_WINDOW: Duration = Duration::from_hours(1);

/// The day the money budgets are counted in.
pub const SMS_BUDGET_DAY: Duration = Duration::from_hours(24);

/// What one SMS may cost at most: 10 cents.
pub const DEFAULT_SMS_MAX_PRICE: MicroUsd = MicroUsd(100_000);

/// What all messages of a day may cost, unless the operator says otherwise: $20, each counted at its highest price.
pub const DEFAULT_SMS_DAILY_BUDGET: MicroUsd = MicroUsd(20_000_000);

/// The same for the local server, whose messages cost nothing.
pub const LOCAL_SMS_DAILY_BUDGET: MicroUsd = MicroUsd(10_000_000_000);
