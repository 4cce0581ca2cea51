//! Factors with their failures and locks, and how to unlock one.

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

/// The factors of the page's environment, newest first.
#[derive(Serialize)]
pub(super) struct FactorList {
    factors: Vec<FactorBody>,
    /// Factors whose items cannot be read.
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
    user_id: Option<String>,
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
    let mut listing = match query.user_id.filter(|user| !user.is_empty()) {
        Some(user) => {
            let user = UserId::parse(&user).map_err(|error| refused("user_id", &error.to_string()))?;
            of_user(&console, &environment, &user).await?
        }
        None => of_all(&console, &environment).await?,
    };
    listing.readable.sort_unstable_by_key(|factor| std::cmp::Reverse(factor.id));
    let (now, more) = (console.clock.now(), listing.readable.len() > MAX_LISTED);
    Ok(Json(FactorList {
        factors: listing.readable.iter().take(MAX_LISTED).map(|factor| body(factor, now)).collect(),
        damaged: listing.damaged.iter().map(ToString::to_string).collect(),
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
) -> Result<Listing<Factor>, Error> {
    let listed = console.operator.list_factors(environment.id, user).await.map_err(failed)?;
    let mut factors = Listing { readable: Vec::new(), damaged: listed.damaged };
    for summary in listed.readable.into_iter().take(MAX_LISTED.saturating_add(1)) {
        match console.operator.store.factor(environment.id, summary.id).await {
            // The index may list a factor that has just been deleted.
            Ok(factor) => factors.readable.extend(factor),
            Err(StoreError::Corrupt(attribute)) => {
                factors.damaged.push(DamagedItem { name: summary.id.to_string(), attribute });
            }
            Err(error @ StoreError::Unavailable { .. }) => return Err(failed(error)),
        }
    }
    Ok(factors)
}

/// Ends after the page of the table that completes the list.
async fn of_all(console: &Console, environment: &Environment) -> Result<Listing<Factor>, Error> {
    let mut factors = Listing { readable: Vec::new(), damaged: Vec::new() };
    let mut from = None;
    loop {
        let page = console.operator.user_items(environment.id, from, PAGE_ITEMS).await;
        let (page, next) = page.map_err(failed)?;
        factors.readable.extend(page.readable.into_iter().filter_map(|item| match item {
            UserItem::Factor(factor) => Some(*factor),
            UserItem::RecoveryCodes(_) => None,
        }));
        factors.damaged.extend(page.damaged);
        from = next;
        if from.is_none() || factors.readable.len() > MAX_LISTED {
            return Ok(factors);
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
        user_id: factor.user.as_ref().map(ToString::to_string),
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
