//! An instance of a function: the process, and the Lambda Runtime API it asks for events (2018-06-01).
//!
//! An instance that ends is started again, as Lambda does. One that lets its deadline pass is killed first.

use crate::Failure;
use crate::access::{ACCOUNT, REGION};
use crate::clock::Faketime;
use crate::lambda::{Invocation, Lambda, Outcome};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::StatusCode;
use shared::ports::Clock as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Before an instance that has ended is started again.
const PAUSE: Duration = Duration::from_millis(100);

/// What all instances share.
pub(crate) struct Host {
    /// Holds `<function>/bootstrap`.
    pub(crate) functions: PathBuf,
    /// Where instances write their logs, one file per function.
    pub(crate) logs: PathBuf,
    pub(crate) faketime: Faketime,
}

/// Keeps an instance of a function running. Its calls to AWS all go to `aws`.
pub(crate) async fn keep(lambda: Arc<Lambda>, host: Arc<Host>, aws: String) -> Failure {
    loop {
        if let Err(error) = run(&lambda, &host, &aws).await {
            return format!("{} cannot be run: {error}", lambda.function.name).into();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Runs one process to its end.
async fn run(lambda: &Arc<Lambda>, host: &Arc<Host>, aws: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut process = start(lambda, host, aws, listener.local_addr()?)?;
    lambda.counts().instances += 1;
    let instance = Arc::new(Instance {
        lambda: lambda.clone(),
        host: host.clone(),
        process: process.id().unwrap_or_default(),
        state: Mutex::default(),
        over: watch::Sender::new(false),
    });
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(async || StatusCode::ACCEPTED))
        .with_state(instance.clone());
    tokio::select! {
        ended = axum::serve(listener, routes) => ended?,
        _ = process.wait() => {}
        () = instance.ended() => process.kill().await?,
    }
    instance.over.send_replace(true);
    drop(instance.state().held.take()); // The waiting caller learns that there will be no answer.
    if instance.state().asked {
        Ok(())
    } else {
        Err("it ended before it asked for an event; see its log".into())
    }
}

/// Starts the process with the environment variables of Lambda, and no others.
fn start(lambda: &Lambda, host: &Host, aws: &str, api: SocketAddr) -> Result<Child, Failure> {
    let function = &lambda.function;
    let log = host.logs.join(format!("{}.log", function.name));
    let log = File::options().create(true).append(true).open(log)?;
    let child = Command::new(host.functions.join(&function.name).join("bootstrap"))
        .env_clear()
        .envs(&function.variables)
        .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.deployed_as)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mb)
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .envs(credentials())
        .envs(["DYNAMODB", "KMS", "SNS"].map(|service| (format!("AWS_ENDPOINT_URL_{service}"), aws)))
        .env("_HANDLER", "bootstrap")
        .env("TZ", ":UTC")
        .envs(host.faketime.variables())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// Temporary credentials, as a role has them; nothing on this machine asks what they are.
pub(crate) fn credentials() -> [(&'static str, &'static str); 3] {
    [("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local"), ("AWS_SESSION_TOKEN", "local")]
}

/// A running process and the event it works on.
struct Instance {
    lambda: Arc<Lambda>,
    host: Arc<Host>,
    process: u32,
    state: Mutex<Progress>,
    /// It has ended, or has to.
    over: watch::Sender<bool>,
}

#[derive(Default)]
struct Progress {
    asked: bool,
    served: bool,
    held: Option<Invocation>,
}

impl Instance {
    fn state(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has ended, or has to.
    async fn ended(&self) {
        let mut over = self.over.subscribe();
        let _ = over.wait_for(|over| *over).await; // The sender is here.
    }

    /// Ends the invocation with this ID. Refused if it is not the current one.
    fn settle(&self, id: &str, outcome: Outcome) -> StatusCode {
        let held = self.state().held.take_if(|held| held.request_id == id);
        let Some(held) = held else { return StatusCode::FORBIDDEN };
        let _ = held.reply.send(outcome); // The caller may have gone.
        let peak = peak_memory(self.process);
        let counts = &mut self.lambda.counts();
        counts.peak_kb = counts.peak_kb.max(peak);
        StatusCode::ACCEPTED
    }

    /// Hands an event over; from now on its time runs.
    fn hold(self: &Arc<Self>, invocation: Invocation) -> Response {
        let timeout = self.lambda.function.timeout;
        let now = self.host.faketime.clock.now().plus(timeout);
        let headers = [
            ("lambda-runtime-aws-request-id", invocation.request_id.clone()),
            ("lambda-runtime-trace-id", invocation.trace_id.clone()),
            ("lambda-runtime-deadline-ms", now.millis().to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.lambda.function.deployed_as),
            ),
            ("content-type", "application/json".to_owned()),
        ];
        let (event, id) = (invocation.event.clone(), invocation.request_id.clone());
        let first = {
            let state = &mut self.state();
            state.held = Some(invocation);
            !std::mem::replace(&mut state.served, true)
        };
        self.lambda.counts().cold += u64::from(first);
        let instance = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            if instance.settle(&id, Outcome::Failed) == StatusCode::ACCEPTED {
                instance.lambda.counts().overdue += 1;
                instance.over.send_replace(true);
            }
        });
        (headers, event).into_response()
    }
}

async fn next(State(instance): State<Arc<Instance>>) -> Response {
    if !std::mem::replace(&mut instance.state().asked, true) {
        instance.lambda.counts().ready += 1;
    }
    tokio::select! {
        biased; // A process that has ended takes no event along.
        () = instance.ended() => StatusCode::GONE.into_response(),
        taken = instance.lambda.next() => taken.map_or_else(|| StatusCode::GONE.into_response(), |invocation| instance.hold(invocation)),
    }
}

async fn response(
    State(instance): State<Arc<Instance>>,
    Path(id): Path<String>,
    answer: Bytes,
) -> StatusCode {
    instance.settle(&id, Outcome::Answered(answer))
}

async fn error(State(instance): State<Arc<Instance>>, Path(id): Path<String>) -> StatusCode {
    instance.settle(&id, Outcome::Failed)
}

/// The most memory a process has held, in KiB (`VmHWM`); nothing if it is gone.
fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
