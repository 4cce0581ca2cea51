//! The local server: the four functions' routes in one process, over an embedded DynamoDB engine and an SMS outbox.
//!
//! Nothing of the product is replaced here: the real store talks to the engine, and the real sender to the outbox, each
//! through its official client over HTTP.

mod clock;
mod data_dir;
mod dev;
mod dynamo;
pub(crate) mod engine;
mod error;
pub mod faults;
mod first_start;
mod guard;
pub mod kms;
pub mod listen;
mod options;
mod private;
mod running;
mod sns;
mod token;

pub use clock::LocalClock;
pub use dev::router as dev_router;
pub use engine::Endpoints;
pub use error::ServeError;
pub use options::Options;
pub use sns::{Message, Outbox};

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use data_dir::DataDir;
use engine::Engine;
use faults::Faults;
use faults::proxy::Proxy;
use first_start::FirstStart;
use listen::{Listener, SHUTDOWN_GRACE};
use running::Running;
use shared::aws::{self, on_this_machine};
use shared::core::Core;
use shared::domain::api_key::ApiKey;
use shared::domain::phone;
use shared::http;
use shared::operate::Operator;
use shared::ports::OsEntropy;
use shared::sms::Sms;
use shared::store::Store;
use shared::vault::keyring::Keyring;
use shared::vault::kms::Kms;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// The name of the local table.
pub const TABLE: &str = "latchkey";

/// A running local server. The URLs of its services hold the token.
pub struct Local {
    /// Where it listens: `http://127.0.0.1:8787`.
    pub url: String,
    /// Where its engine speaks DynamoDB's protocol.
    pub dynamodb_url: String,
    /// Where its root key speaks KMS's protocol.
    pub kms_url: String,
    /// Where its outbox speaks SNS's protocol.
    pub sns_url: String,
    /// A key of its environment.
    pub api_key: ApiKey,
    /// Where everything is kept.
    pub data_dir: Option<PathBuf>,
    /// The messages it sent.
    pub outbox: Outbox,
    /// Its clock.
    pub clock: LocalClock,
    /// What its endpoints are given.
    pub core: Core,
    /// What seals and opens for them.
    pub keyring: Keyring,
    /// An operator's access to its table, past its faults.
    pub operator: Operator,
    /// Which of its calls fail.
    pub faults: Option<Faults>,
    reached: Endpoints,
    api: Running,
    /// Requests being answered, those included whose client has hung up.
    answers: TaskTracker,
    /// What the API calls: the engine, the root key, the outbox and, with faults, the proxy before them.
    behind: Engine,
}

/// Starts the local server: the engine, then the keys, then the API.
///
/// # Errors
///
/// [`ServeError`] says what is in the way and what to do about it.
pub async fn start(options: Options) -> Result<Local, ServeError> {
    phone::load();
    let mut behind =
        Engine::start(options.data_dir.as_deref(), options.dynamodb_port, options.kms_port).await?;
    let (dynamodb_url, kms_url) = (behind.dynamodb_url.clone(), behind.kms_url.clone());

    let listener = Listener::bind(SocketAddr::new(options.addr, options.port), None).await?;
    let url = listener.url().to_owned();

    let clock = behind.clock()?;
    let outbox = Outbox::open(behind.data.as_ref().map(DataDir::outbox_file), clock.clone())?;
    let sns = Listener::loopback(options.sns_port, Some(behind.token.clone())).await?;
    let sns_url = sns.url().to_owned();
    behind.serve(sns, sns::router(outbox.clone()));

    let operator = Operator::new(aws::dynamodb(&on_this_machine(&dynamodb_url)), TABLE.to_owned());
    operator.create_table().await?;
    let first_start = FirstStart { data: behind.data.as_ref(), operator: &operator, clock: &clock };
    let keyring = first_start.open_keyring(&root_key(&kms_url)).await?;
    let api_key = first_start.open_environment(&keyring).await?;

    // The server has started without faults; from here on it is the one they are for.
    let mut reached =
        Endpoints { dynamodb: dynamodb_url.clone(), kms: kms_url.clone(), sns: sns_url.clone() };
    behind.announce(&reached)?;
    if let Some(faults) = options.faults.clone() {
        let listener = Listener::loopback(0, Some(behind.token.clone())).await?;
        let between = listener.url().to_owned();
        let proxy = Proxy { behind: reached, faults, watch: None };
        behind.running.spawn(|stopped| proxy.serve(listener, stopped));
        reached = Endpoints { dynamodb: between.clone(), kms: between.clone(), sns: between };
    }
    let store = Store::new(aws::dynamodb(&on_this_machine(&reached.dynamodb)), TABLE.to_owned());
    let keyring = Keyring::new(root_key(&reached.kms), store.clone());
    if let Err(error) = keyring.load().await {
        // As in a function: requests try again.
        tracing::error!(%error, "the keyring is not open yet");
    }

    let policy = options.settings.policy.clone();
    let core = Core::new(store, policy, Arc::new(clock.clone()), Arc::new(OsEntropy));
    let sms = Sms::new(aws::sns(&on_this_machine(&reached.sns)), options.settings.sms.clone());
    let mut routes = http::all_routes(&core, &keyring, sms);
    if options.has_dev() {
        routes = routes.merge(dev_router(outbox.clone(), clock.clone(), options.faults.clone()));
    }
    let answers = TaskTracker::new();
    let app = http::app(core.clone(), routes).layer(from_fn_with_state(answers.clone(), to_its_end));
    let refusals = http::error_app(core.clone(), || http::Error::ForeignOrigin);
    let mut api = Running::default();
    api.spawn(|stopped| listener.serve(app, refusals, stopped));
    let Options { data_dir, faults, .. } = options;
    Ok(Local {
        url,
        dynamodb_url,
        kms_url,
        sns_url,
        api_key,
        data_dir,
        outbox,
        clock,
        core,
        keyring,
        operator,
        faults,
        reached,
        api,
        answers,
        behind,
    })
}

impl Local {
    /// What a server that has just started is given: no environment is cached, and no key is unwrapped.
    #[must_use]
    pub fn cold(&self) -> (Core, Keyring) {
        let store = self.core.store.clone();
        let keyring = Keyring::new(root_key(&self.reached.kms), store.clone());
        let policy = (*self.core.policy).clone();
        (Core::new(store, policy, Arc::new(self.clock.clone()), Arc::new(OsEntropy)), keyring)
    }

    /// Finishes what is being answered and stops.
    pub async fn stop(self) {
        self.api.stop().await;
        self.answers.close();
        let _ = timeout(SHUTDOWN_GRACE, self.answers.wait()).await;
        self.behind.stop().await;
    }
}

/// Answers a request even if its client hangs up meanwhile, as a function does: what was counted is logged, too.
async fn to_its_end(State(answers): State<TaskTracker>, request: Request, next: Next) -> Response {
    let answered = answers.spawn(next.run(request)).await;
    // Panics are caught, and answered, further in.
    answered.unwrap_or_else(|_| http::Error::Panic.into_response())
}

/// The root key behind KMS's protocol at `url`.
fn root_key(url: &str) -> Kms {
    Kms::new(aws::kms(&on_this_machine(url)), kms::KEY_ID.to_owned())
}
