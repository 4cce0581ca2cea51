//! A server whose clock stands still and whose randomness is a seed's: what happens in it happens again.
//!
//! It is the product's own routes over TCP and the embedded engine, as in [`App`]. Only time and randomness, which are
//! arguments, are the test's: so a boundary is met to the millisecond, and a failing seed fails again.

use crate::app::{self, App, send};
use crate::proof::loss::{self, Loss};
use crate::proof::spec::{Answer, Kind, Means, RecoveryCode, Request, step_at};
use crate::recovery;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};
use shared::config::Settings;
use shared::core::Core;
use shared::domain::time::Timestamp;
use shared::domain::totp::Secret;
use shared::ports::{Clock, Entropy, NoEntropy, OsEntropy};
use shared::sms::Sms;
use shared::store::Store;
use shared::{aws, http};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tests::client::code_at;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};

/// When every world begins: after any real now, so that the engine collects nothing.
const BEGINNING: i64 = 4_000_000_000_123;

/// A server of a test's own time.
pub(crate) struct World {
    app: App,
    url: String,
    client: reqwest::Client,
    clock: StillClock,
    names: Mutex<Names>,
    numbers: AtomicUsize,
    answers: Mutex<Vec<String>>,
    _serving: JoinSet<()>,
}

/// What the server calls the test's factors and challenges.
#[derive(Default)]
struct Names {
    factors: HashMap<usize, Factor>,
    challenges: HashMap<usize, Challenge>,
    recovery: HashMap<usize, Recovery>,
}

/// The recovery codes of a user.
#[derive(Default)]
struct Recovery {
    /// Every set that was answered, oldest first.
    sets: Vec<(usize, Vec<String>)>,
    /// What was accepted, the latest last.
    accepted: Vec<String>,
}

struct Factor {
    id: String,
    secret: Option<Secret>,
    accepted: Option<String>,
}

struct Challenge {
    id: String,
    factor: usize,
    code: Option<String>,
}

/// A way to choose six digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// This challenge's code; for TOTP, the current step's.
    Right,
    /// Never right.
    Wrong,
    /// The code of a step this far from the current one.
    Step(i64),
    /// What was accepted last of the same factor.
    Again,
}

#[derive(Clone)]
struct StillClock(Arc<AtomicI64>);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct Seeded(Mutex<StdRng>);

impl Entropy for Seeded {
    fn rng(&self) -> Result<StdRng, NoEntropy> {
        Ok(StdRng::from_rng(&mut *self.0.lock().unwrap()))
    }
}

impl World {
    /// A world of `seed`, whose writes meet `losses` one after the other.
    pub(crate) async fn start(seed: u64, losses: &[Loss]) -> Self {
        let app = App::start().await;
        let mut table = app.local.dynamodb_url.clone();
        if !losses.is_empty() {
            table = loss::in_front_of(&table, losses).await;
        }
        let clock = StillClock(Arc::new(AtomicI64::new(BEGINNING)));
        let core = Core::new(
            Store::new(aws::dynamodb(&aws::on_this_machine(&table)), cli::serve::TABLE.to_owned()),
            (*app.local.core.policy).clone(),
            Arc::new(clock.clone()),
            Arc::new(Seeded(Mutex::new(StdRng::seed_from_u64(seed)))),
        );
        let sns = aws::on_this_machine(&app.local.sns_url);
        let config = Settings::from_env_for_local().unwrap().sms;
        let routes = http::all_routes(&core, &app.local.keyring, Sms::new(aws::sns(&sns), config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, http::app(core, routes)).await.unwrap() });
        Self {
            app,
            url,
            client: app::client(),
            clock,
            names: Mutex::default(),
            numbers: AtomicUsize::new(0),
            answers: Mutex::default(),
            _serving: serving,
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.0.load(Ordering::SeqCst)
    }

    pub(crate) fn advance_to(&self, moment: i64) {
        let before = self.clock.0.swap(moment, Ordering::SeqCst);
        assert!(before <= moment, "time does not run backwards");
    }

    /// A number for a new factor or challenge.
    pub(crate) fn number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }

    /// Every body that was answered, in order.
    pub(crate) fn answers(&self) -> Vec<String> {
        self.answers.lock().unwrap().clone()
    }

    /// Asks the server over HTTP, and remembers what it names things.
    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        let body = match request {
            Request::Enroll { kind: Kind::Totp, .. } => {
                json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "alice"})
            }
            Request::Enroll { kind: Kind::Generic, .. } => json!({"type": "generic_otp"}),
            Request::Verify { code, .. } | Request::Recover { code, .. } => json!({ "code": code }),
            Request::Challenge { .. }
            | Request::Delete { .. }
            | Request::Renew { .. }
            | Request::Revoke { .. } => json!({}),
        };
        let (method, path) = self.route(request);
        let to = self.client.request(method, format!("{}{path}", self.url));
        let answer = send(to.bearer_auth(self.app.local.api_key.expose()).json(&body)).await;
        let body = answer.json();
        self.answers.lock().unwrap().push(answer.text);
        if answer.status == 201 {
            self.remember(request, &body);
        }
        let retry_at = body["retry_at"].as_str().map(|at| at.parse::<jiff::Timestamp>().unwrap());
        Answer {
            status: answer.status,
            code: if answer.status < 300 { String::new() } else { body["code"].as_str().unwrap().to_owned() },
            valid: body["valid"].as_bool(),
            retry_at: retry_at.map(jiff::Timestamp::as_millisecond),
            remaining: body["remaining"].as_u64(),
        }
    }

    fn route(&self, request: &Request) -> (Method, String) {
        let names = self.names.lock().unwrap();
        match request {
            Request::Enroll { .. } => (Method::POST, "/auth/factors/enroll".to_owned()),
            Request::Challenge { factor, .. } => {
                (Method::POST, format!("/auth/factors/{}/challenge", names.factors[factor].id))
            }
            Request::Verify { challenge, .. } => {
                (Method::POST, format!("/auth/challenges/{}/verify", names.challenges[challenge].id))
            }
            Request::Delete { factor } => {
                (Method::DELETE, format!("/auth/factors/{}", names.factors[factor].id))
            }
            Request::Renew { user, .. } => (Method::POST, recovery::path(&format!("user_{user}"))),
            Request::Revoke { user } => (Method::DELETE, recovery::path(&format!("user_{user}"))),
            Request::Recover { user, .. } => {
                (Method::POST, format!("{}/verify", recovery::path(&format!("user_{user}"))))
            }
        }
    }

    fn remember(&self, request: &Request, body: &Value) {
        let mut names = self.names.lock().unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match request {
            Request::Enroll { factor, .. } => {
                let secret = body["totp"]["secret"].as_str().map(|text| Secret::from_base32(text).unwrap());
                let named = Factor { id: text(&body["id"]).unwrap(), secret, accepted: None };
                names.factors.insert(*factor, named);
            }
            Request::Challenge { factor, challenge } => {
                let id = text(&body["id"]).unwrap();
                let named = Challenge { id, factor: *factor, code: text(&body["code"]) };
                names.challenges.insert(*challenge, named);
            }
            Request::Verify { challenge, code, .. } if body["valid"] == true => {
                let factor = names.challenges[challenge].factor;
                names.factors.get_mut(&factor).unwrap().accepted = Some(code.clone());
            }
            Request::Renew { user, generation } => {
                names.recovery.entry(*user).or_default().sets.push((*generation, recovery::codes_in(body)));
            }
            Request::Recover { user, code, .. } if body["valid"] == true => {
                names.recovery.entry(*user).or_default().accepted.push(code.clone());
            }
            Request::Verify { .. }
            | Request::Recover { .. }
            | Request::Delete { .. }
            | Request::Revoke { .. } => {}
        }
    }

    /// A guess at a user's recovery codes: the first of the newest set that was not accepted, one of an earlier set, or one
    /// that was accepted before.
    pub(crate) fn recovery_guess(&self, user: usize, pick: Pick) -> Request {
        let mut names = self.names.lock().unwrap();
        let Recovery { sets, accepted } = names.recovery.entry(user).or_default();
        let unused =
            |(_, codes): &(usize, Vec<String>)| codes.iter().find(|code| !accepted.contains(code)).cloned();
        let code = match pick {
            Pick::Right => sets.last().and_then(unused),
            Pick::Wrong => None,
            Pick::Step(_) => sets.iter().rev().nth(1).and_then(unused),
            Pick::Again => accepted.last().cloned(),
        };
        let code = code.unwrap_or_else(|| "0000-0000-0000-0000-0000-0000".to_owned());
        let means = sets.iter().find_map(|(generation, codes)| {
            let index = codes.iter().position(|own| *own == code)?;
            Some(RecoveryCode { generation: *generation, index })
        });
        Request::Recover { user, code, means }
    }

    /// A guess at a challenge, with what its digits mean now.
    pub(crate) fn guess(&self, challenge: usize, pick: Pick) -> Request {
        let names = self.names.lock().unwrap();
        let Challenge { factor, code: made, .. } = &names.challenges[&challenge];
        let Factor { secret, accepted, .. } = &names.factors[factor];
        let now = step_at(self.now());
        let near: Vec<(u64, String)> = secret.iter().flat_map(|secret| codes(secret, now)).collect();
        let wrong = || {
            let right = |code: &String| Some(code) == made.as_ref() || near.iter().any(|(_, of)| of == code);
            (0..100).map(|n| format!("{n:06}")).find(|code| !right(code)).unwrap()
        };
        let of_step = |steps: i64| {
            let step = now.checked_add_signed(steps).unwrap();
            near.iter().find(|(of, _)| *of == step).map(|(_, code)| code.clone())
        };
        let code = match pick {
            Pick::Right => made.clone().or_else(|| of_step(0)),
            Pick::Wrong => None,
            Pick::Step(steps) => of_step(steps),
            Pick::Again => accepted.clone(),
        };
        let code = code.unwrap_or_else(wrong);
        let means = match made {
            Some(made) => Means::Made(code == *made),
            None => Means::Steps(near.iter().filter(|(_, of)| *of == code).map(|(step, _)| *step).collect()),
        };
        Request::Verify { challenge, code, means }
    }
}

/// The codes of the steps around `step`, farther than any window.
fn codes(secret: &Secret, step: u64) -> Vec<(u64, String)> {
    (step - 3..=step + 3).map(|step| (step, code_at(secret, step))).collect()
}

/// A runtime that logs nothing: a long run must not fill the memory every server of this binary logs to.
pub(crate) fn quiet_runtime() -> (Runtime, DefaultGuard) {
    let silence = || std::mem::forget(set_default(NoSubscriber::new()));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().on_thread_start(silence).build();
    (runtime.unwrap(), set_default(NoSubscriber::new()))
}

/// How many sequences or histories to check, and from which seed: `usual` ones of seed 1, unless the environment says
/// how many (nightly: 10,000) and, to have a failure again, of which seed.
#[expect(clippy::disallowed_methods, reason = "the size of a test run is no setting of the product")]
pub(crate) fn run_size(usual: usize) -> (usize, u64) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let sequences = number("LATCHKEY_TEST_SEQUENCES");
    let seed = number("LATCHKEY_TEST_SEED").unwrap_or_else(|| match sequences {
        None => 1,
        Some(_) => rand::RngExt::random(&mut OsEntropy.rng().unwrap()),
    });
    (sequences.map_or(usual, |sequences| usize::try_from(sequences).unwrap()), seed)
}

/// Says what a run has checked.
#[expect(clippy::print_stdout, reason = "how much was checked is the point of the run")]
pub(crate) fn report(text: &str) {
    println!("{text}");
}
