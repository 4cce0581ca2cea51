//! Factors and recovery codes with their failures and locks, and how to unlock a factor.

use super::{Console, failed, refused};
use axum::Json;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::domain::environment::Environment;
use shared::domain::factor::{Credential, Factor};
use shared::domain::guard::{Guard, Locked};
use shared::domain::id::FactorId;
use shared::domain::policy::{MAX_ATTEMPTS_PER_CHALLENGE, MAX_FAILURES_PER_DAY};
use shared::domain::recovery::RecoveryCodes;
use shared::domain::time::Timestamp;
use shared::domain::user::UserId;
use shared::http::Error;
use shared::operate::UserItem;
use shared::ports::Clock as _;
use shared::store::{DamagedItem, DecisionOutcome, Listing, StoreError};

/// Number of items of the table that are read at a time.
const PAGE_ITEMS: i32 = 1_000;

/// Number of factors after which a list ends.
const MAX_LISTED: usize = 200;

/// The query of a list.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    user_id: Option<String>,
}

/// The factors of the page's environment, newest first, and recovery codes.
#[derive(Serialize)]
pub(super) struct FactorList {
    factors: Vec<FactorBody>,
    recovery_codes: Vec<RecoveryCodesBody>,
    /// Factors and users whose items cannot be read.
    damaged: Vec<String>,
    /// Whether there are more than the list shows.
    more: bool,
}

#[derive(Serialize)]
struct FactorBody {
    id: String,
    #[serde(rename = "type")]
    factor_type: &'static str,
    created_at: String,
    last_used_at: Option<String>,
    user_id: Option<String>,
    name: Option<String>,
    /// Account name and issuer, or the phone number.
    about: String,
    /// Consecutive failures.
    failures: u32,
    /// Failures of the last day, which a success does not clear.
    failures_today: usize,
    max_failures_today: usize,
    locked: bool,
    /// The end of the lock; `None` if there is none, or if only an operator can unlock the factor.
    locked_until: Option<String>,
    /// The challenges at which codes were tried, newest first.
    challenges: Vec<ChallengeBody>,
}

/// A user's recovery codes, which no one can show again.
#[derive(Serialize)]
struct RecoveryCodesBody {
    user_id: String,
    created_at: String,
    total: usize,
    remaining: usize,
    accept_on_challenges: bool,
    failures: u32,
    locked: bool,
    locked_until: Option<String>,
}

#[derive(Serialize)]
struct ChallengeBody {
    id: String,
    attempts: usize,
    max_attempts: usize,
    verified: bool,
    expires_at: String,
}

/// Lists the factors of a user, or of all users.
pub(super) async fn list(
    State(console): State<Console>,
    Query(query): Query<ListQuery>,
) -> Result<Json<FactorList>, Error> {
    let environment = environment(&console).await?;
    let found = match query.user_id.filter(|user| !user.is_empty()) {
        Some(user) => {
            let user = UserId::parse(&user).map_err(|error| refused("user_id", &error.to_string()))?;
            of_user(&console, &environment, &user).await?
        }
        None => of_all(&console, &environment).await?,
    };
    let (now, more) = (console.clock.now(), found.readable.len() > MAX_LISTED);
    let (mut factors, mut recovery_codes) = (Vec::new(), Vec::new());
    for item in found.readable {
        match item {
            UserItem::Factor(factor) => factors.push(factor),
            UserItem::RecoveryCodes(set) => recovery_codes.push(RecoveryCodesBody::new(&set, now)),
        }
    }
    factors.sort_unstable_by_key(|factor| std::cmp::Reverse(factor.id));
    Ok(Json(FactorList {
        factors: factors.iter().take(MAX_LISTED).map(|factor| body(factor, now)).collect(),
        recovery_codes,
        damaged: found.damaged.iter().map(ToString::to_string).collect(),
        more,
    }))
}

/// Clears the failures of a factor.
pub(super) async fn unlock(
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let missing = || refused("id", "is not a factor of this environment");
    let id = FactorId::parse(&id).map_err(|_| missing())?;
    let environment = environment(&console).await?;
    let factor = console.operator.store.factor(environment.id, id).await.map_err(failed)?;
    match console.operator.unlock(factor.ok_or_else(missing)?).await.map_err(failed)? {
        DecisionOutcome::Written((), _) => {
            tracing::info!(factor = %id, "factor unlocked in the console");
            Ok(StatusCode::NO_CONTENT)
        }
        DecisionOutcome::Deleted => Err(missing()),
        DecisionOutcome::Contended => Err(refused("id", "is being verified right now: try again")),
    }
}

async fn environment(console: &Console) -> Result<Environment, Error> {
    Ok(console.environment(console.key.get().tag()).await?.environment)
}

async fn of_user(
    console: &Console,
    environment: &Environment,
    user: &UserId,
) -> Result<Listing<UserItem>, Error> {
    let listed = console.operator.list_factors(environment.id, user).await.map_err(failed)?;
    let mut found = Listing { readable: Vec::new(), damaged: listed.damaged };
    match console.operator.store.recovery_codes(environment.id, user).await {
        Ok(set) => found.readable.extend(set.map(|set| UserItem::RecoveryCodes(Box::new(set)))),
        Err(StoreError::Corrupt(attribute)) => {
            found.damaged.push(DamagedItem { name: user.to_string(), attribute });
        }
        Err(error @ StoreError::Unavailable { .. }) => return Err(failed(error)),
    }
    for summary in listed.readable.into_iter().take(MAX_LISTED.saturating_add(1)) {
        match console.operator.store.factor(environment.id, summary.id).await {
            // The index may list a factor that has just been deleted.
            Ok(factor) => found.readable.extend(factor.map(|factor| UserItem::Factor(Box::new(factor)))),
            Err(StoreError::Corrupt(attribute)) => {
                found.damaged.push(DamagedItem { name: summary.id.to_string(), attribute });
            }
            Err(error @ StoreError::Unavailable { .. }) => return Err(failed(error)),
        }
    }
    Ok(found)
}

/// Ends after the page of the table that completes the list.
async fn of_all(console: &Console, environment: &Environment) -> Result<Listing<UserItem>, Error> {
    let mut found = Listing { readable: Vec::new(), damaged: Vec::new() };
    let mut from = None;
    loop {
        let page = console.operator.user_items(environment.id, from, PAGE_ITEMS).await;
        let (page, next) = page.map_err(failed)?;
        found.readable.extend(page.readable);
        found.damaged.extend(page.damaged);
        from = next;
        if from.is_none() || found.readable.len() > MAX_LISTED {
            return Ok(found);
        }
    }
}

impl RecoveryCodesBody {
    fn new(set: &RecoveryCodes, now: Timestamp) -> Self {
        let lock = set.guard.accepts_challenges(now).err();
        Self {
            user_id: set.user.to_string(),
            created_at: set.created_at.to_string(),
            total: set.total,
            remaining: set.codes.len(),
            accept_on_challenges: set.accept_on_challenges,
            failures: set.guard.failures,
            locked: lock.is_some(),
            locked_until: lock.and_then(|Locked { retry_at }| retry_at).map(|at| at.to_string()),
        }
    }
}

fn body(factor: &Factor, now: Timestamp) -> FactorBody {
    let guard = &factor.guard;
    let lock = guard.accepts_challenges(now).err();
    FactorBody {
        id: factor.id.to_string(),
        factor_type: factor.credential.factor_type().name(),
        created_at: factor.created_at.to_string(),
        last_used_at: guard.last_used_at.map(|time| time.to_string()),
        user_id: factor.user.as_ref().map(ToString::to_string),
        name: factor.name.as_ref().map(|name| name.as_str().to_owned()),
        about: match &factor.credential {
            Credential::Totp { issuer, account, .. } => format!("{account} at {issuer}"),
            Credential::Sms { phone } => phone.as_str().to_owned(),
            Credential::GenericOtp => String::new(),
        },
        failures: guard.failures,
        failures_today: guard.recent_failures.len(),
        max_failures_today: MAX_FAILURES_PER_DAY,
        locked: lock.is_some(),
        locked_until: lock.and_then(|Locked { retry_at }| retry_at).map(|at| at.to_string()),
        challenges: challenges(guard),
    }
}

fn challenges(guard: &Guard) -> Vec<ChallengeBody> {
    let spent = guard.spent.iter().rev();
    spent
        .map(|(id, spent)| ChallengeBody {
            id: id.to_string(),
            attempts: spent.attempts.len(),
            max_attempts: MAX_ATTEMPTS_PER_CHALLENGE,
            verified: spent.verified_by.is_some(),
            expires_at: spent.expires_at.to_string(),
        })
        .collect()
}
