//! The local server: the four functions' routes in one process, over an embedded DynamoDB engine and an SMS outbox.
//!
//! Nothing of the product is replaced here: the real store talks to the engine, and the real sender to the outbox, each
//! through its official client over HTTP.

mod data_dir;
mod dev;
mod dynamo;
pub(crate) mod engine;
pub mod faults;
pub mod foreground;
mod keys;
pub mod kms;
mod running;
mod sns;

pub use dev::{LocalClock, fault_router};
pub use engine::Endpoints;
pub use sns::{Message, Outbox};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use data_dir::{DataDir, keep};
use engine::Engine;
use faults::Faults;
use faults::proxy::Proxy;
use running::{Running, Stopped};
use shared::aws;
use shared::config::Settings;
use shared::core::Core;
use shared::domain::api_key::ApiKey;
use shared::domain::environment::{MalformedTag, Tag};
use shared::domain::phone;
use shared::http;
use shared::keyring::{Keyring, KeyringError};
use shared::kms::Kms;
use shared::ports::{NoEntropy, OsEntropy};
use shared::sms::Sms;
use shared::store::{Store, StoreError};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The name of the local table.
pub const TABLE: &str = "latchkey";

/// How to serve.
#[derive(Clone)]
pub struct Options {
    /// The address to listen on.
    pub addr: IpAddr,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// Where everything is kept; `None` keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// The loopback port of the engine; 0 picks a free one.
    pub dynamodb_port: u16,
    /// The loopback port of the root key's KMS endpoint; 0 picks a free one.
    pub kms_port: u16,
    /// Which calls of the server to its own table and outbox fail; `None` lets none.
    pub faults: Option<Faults>,
    /// What the environment says.
    pub settings: Settings,
}

/// A running local server.
pub struct Local {
    /// Where it listens: `http://127.0.0.1:8787`.
    pub url: String,
    /// Where its engine speaks DynamoDB's protocol.
    pub dynamodb_url: String,
    /// Where its root key speaks KMS's protocol.
    pub kms_url: String,
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
    /// Which of its calls fail.
    pub faults: Option<Faults>,
    reached: Endpoints,
    api: Running,
    /// What the API calls: the engine, the root key and, with faults, the proxy before them.
    behind: Engine,
}

/// The local server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken, or the address is not this machine's.
    #[error("cannot listen on {0}: {1}. Choose another port with --port, or 0 for any free one")]
    Listen(SocketAddr, io::Error),
    /// A file of the data directory cannot be read or written.
    #[error("cannot use {}: {source}. Choose another place with --data-dir", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process serves this data directory.
    #[error("{} is in use by another latchkey. Stop it, or choose another place with --data-dir", .0.display())]
    Locked(PathBuf),
    /// Another process uses this data directory, and cannot be asked.
    #[error("{} is in use by a latchkey that is starting, or by another command. Run this again in a moment", .0.display())]
    Busy(PathBuf),
    /// The engine cannot open its file.
    #[error("the embedded DynamoDB engine cannot start: {0}. Move the data directory away to start afresh")]
    Engine(String),
    /// The root key's file is of no use.
    #[error("the root key cannot be read from {}: {source}. Put the right root.key back, or move the data directory away to start afresh", file.display())]
    RootKey {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The keyring does not open.
    #[error("{0}. Put the right root.key back, or move the data directory away to start afresh")]
    Keyring(#[from] KeyringError),
    /// The environment of the directory's API key does not read.
    #[error(
        "the environment {tag} cannot be served, because its item is damaged: {source}. Give it up with all that it holds, and \
         start again for a new one: `latchkey env delete {tag} --local {dir}`. Or restore table.sqlite from a copy; or move \
         the data directory away to start afresh", dir = dir.display()
    )]
    DamagedEnvironment {
        /// Which.
        tag: Tag,
        /// The data directory.
        dir: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// The environment takes no API key for the server to show.
    #[error(
        "the environment {tag} takes no new API key: it is being deleted, or has all the keys it may have. Finish that with \
         `latchkey env delete {tag} --local {dir}`, or revoke a key of it: `latchkey keys list --local {dir}`, then `latchkey \
         keys revoke ID --local {dir}`", dir = dir.display()
    )]
    NoNewApiKey {
        /// Which.
        tag: Tag,
        /// The data directory.
        dir: PathBuf,
    },
    /// The table cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The environment's tag is not one.
    #[error(transparent)]
    Tag(#[from] MalformedTag),
    /// Ctrl-C cannot be waited for.
    #[error("cannot wait for Ctrl-C: {0}")]
    Signal(io::Error),
}

/// Starts the local server: the engine, then the keys, then the API.
///
/// # Errors
///
/// [`ServeError`] says what is in the way and what to do about it.
pub async fn start(options: Options) -> Result<Local, ServeError> {
    phone::load();
    let mut served = Running::default();
    let mut behind =
        Engine::start(options.data_dir.as_deref(), options.dynamodb_port, options.kms_port).await?;
    let (dynamodb_url, kms_url) = (behind.dynamodb_url.clone(), behind.kms_url.clone());
    let data = behind.data.as_ref();

    let api = listen(SocketAddr::new(options.addr, options.port)).await?;
    let url = url(&api)?;

    let clock = behind.clock()?;
    let outbox = Outbox::open(data.map(DataDir::outbox_file), clock.clone())?;
    let store = Store::new(aws::dynamodb(&sdk(&dynamodb_url)), TABLE.to_owned());
    store.create_table().await?;
    let keyring = keyring(&kms_url, &store);
    keys::open_keyring(&keyring, &clock).await?;
    let api_key = keys::open_environment(data, &store, &keyring, &clock).await?;

    // The server has started without faults; from here on it is the one they are for.
    let mut reached = Endpoints { dynamodb: dynamodb_url.clone(), kms: kms_url.clone(), sns: sns::url(&url) };
    behind.announce(&reached)?;
    if let Some(faults) = options.faults.clone() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let between = self::url(&listener)?;
        let proxy = Proxy { behind: reached, faults, watch: None };
        behind.running.spawn(|stopped| proxy.serve(listener, stopped));
        reached = Endpoints { dynamodb: between.clone(), kms: between.clone(), sns: between };
    }
    let store = Store::new(aws::dynamodb(&sdk(&reached.dynamodb)), TABLE.to_owned());
    let keyring = self::keyring(&reached.kms, &store);
    if let Err(error) = keyring.load().await {
        // As in a function: requests try again.
        tracing::error!(%error, "the keyring is not open yet");
    }

    let policy = options.settings.policy;
    let core = Core::new(store, keyring, policy, Arc::new(clock.clone()), Arc::new(OsEntropy));
    let sms = Sms::new(aws::sns(&sdk(&reached.sns)), options.settings.sms);
    let app = http::app(core.clone(), routes(&core, sms)).merge(dev::router(
        outbox.clone(),
        clock.clone(),
        options.faults.clone(),
    ));
    let app = app.layer(from_fn(whole));
    served.spawn(|stopped| http_server(api, app, stopped));
    let Options { data_dir, faults, .. } = options;
    Ok(Local {
        url,
        dynamodb_url,
        kms_url,
        api_key,
        data_dir,
        outbox,
        clock,
        core,
        faults,
        reached,
        api: served,
        behind,
    })
}

impl Local {
    /// What a server that has just started is given: it holds no key and knows no caller.
    #[must_use]
    pub fn cold_core(&self) -> Core {
        let store = self.core.store.clone();
        let keyring = keyring(&self.reached.kms, &store);
        let policy = (*self.core.policy).clone();
        Core::new(store, keyring, policy, Arc::new(self.clock.clone()), Arc::new(OsEntropy))
    }

    /// Finishes what is being answered and stops.
    pub async fn stop(self) {
        self.api.stop().await;
        self.behind.stop().await;
    }
}

/// Hands a request over as API Gateway does: whole. A body that is refused while it is still being sent would have its
/// connection reset, and its client might see that instead of the answer.
async fn whole(request: Request, next: Next) -> Response {
    /// What Lambda takes in one call.
    const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;
    let (parts, body) = request.into_parts();
    match to_bytes(body, PAYLOAD_BYTES).await {
        Ok(body) => next.run(Request::from_parts(parts, body.into())).await,
        Err(_) => http::Error::BodyTooLarge.into_response(),
    }
}

async fn http_server(listener: TcpListener, app: Router, stopped: Stopped) {
    let ended = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
    ended.unwrap_or_else(|error| tracing::error!(%error, "a server stopped"));
}

/// The keyring in `store` under the root key that is reached there.
fn keyring(kms_url: &str, store: &Store) -> Keyring {
    Keyring::new(Kms::new(aws::kms(&sdk(kms_url)), kms::KEY_ID.to_owned()), store.clone())
}

/// All four functions' routes.
fn routes(core: &Core, sms: Sms) -> Router {
    http::enroll::router(core.clone())
        .merge(http::challenge::router(core.clone(), sms))
        .merge(http::verify::router(core.clone()))
        .merge(http::factors::router(core.clone()))
}

/// How to reach a service on this machine: with any credentials, and through no proxy of the environment.
#[must_use]
pub fn sdk(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "local", "local", None, None, "local",
        )))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .build()
}

async fn listen(at: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(at).await.map_err(|error| ServeError::Listen(at, error))
}

/// How this machine reaches a listener of its own.
fn url(listener: &TcpListener) -> Result<String, ServeError> {
    let unknown = |error| ServeError::Listen(SocketAddr::from(([0, 0, 0, 0], 0)), error);
    let mut at = listener.local_addr().map_err(unknown)?;
    if at.ip().is_unspecified() {
        at.set_ip(IpAddr::from([127, 0, 0, 1]));
    }
    Ok(format!("http://{at}"))
}
