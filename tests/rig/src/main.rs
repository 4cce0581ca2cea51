//! `rig`: the release binaries of the four functions, served as AWS serves them, on one machine.
//!
//! ```text
//! HTTP ─▶ gateway ─events─▶ sandboxes ─▶ bootstrap ─▶ watching proxy ─▶ DynamoDB Local, moto
//!         routes            Lambda's      the binary,   judges each call
//!                           Runtime API   clock moved   by the policies
//! ```
//!
//! Routes, variables and policies are template.yaml's. The rig runs a command against it and sends every event of `events/`,
//! or serves until Ctrl-C. Then it prints what each function called and which statement allows that. `tests/rig/run` starts it
//! with all it needs.

#![expect(clippy::arithmetic_side_effects, reason = "it counts")]
#![expect(clippy::indexing_slicing, reason = "a JSON or YAML value has a null for what is not in it")]

mod access;
mod clock;
mod event;
mod gateway;
mod iam;
mod lambda;
mod operator;
mod probe;
mod record;
mod report;
mod route;
mod sandbox;
mod template;

use clap::Parser;
use cli::serve::faults::Faults;
use cli::serve::faults::proxy::{self, Proxy};
use cli::serve::listen::Listener;
use cli::serve::{Endpoints, LocalClock, Outbox, dev_router};
use clock::Faketime;
use gateway::Gateway;
use lambda::Lambda;
use operator::{Aws, TABLE};
use record::{Record, Watch};
use report::Seen;
use sandbox::Host;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use template::Stack;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

/// Whatever goes wrong ends the rig.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long instances may take to ask for their first event.
const START: Duration = Duration::from_secs(30);

/// Serves the functions' release binaries as AWS does, and compares what they call with their policies
#[derive(Parser)]
struct Arguments {
    /// Where DynamoDB is
    #[arg(long, value_name = "URL")]
    dynamodb: String,
    /// Where KMS and SNS are
    #[arg(long, value_name = "URL")]
    moto: String,
    /// Holds a folder a function, with its bootstrap
    #[arg(long, value_name = "DIR")]
    functions: PathBuf,
    /// The command that makes the deployment's keyring and API key
    #[arg(long, value_name = "FILE")]
    latchkey: PathBuf,
    /// libfaketime, which moves the functions' clock
    #[arg(long, value_name = "FILE")]
    faketime: PathBuf,
    /// An empty folder for logs and the clock
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
    /// Instances of each function
    #[arg(long, default_value_t = 2)]
    instances: usize,
    /// The port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Fails that share of the functions' calls to AWS; /_dev/faults changes it
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    faults: f64,
    /// Which calls fail
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Serves until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Command to run, with `LATCHKEY_URL` and `LATCHKEY_API_KEY` set
    #[arg(required_unless_present = "serve", conflicts_with = "serve", last = true)]
    command: Vec<OsString>,
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "this is where a command complains")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rig: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was right.
async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let mut running = JoinSet::new();
    let rig = Rig::start(&arguments, &mut running).await?;
    let commanded = async {
        if arguments.serve {
            greet(&rig.url, &rig.api_key, &arguments.dynamodb);
            tokio::signal::ctrl_c().await?;
            return Ok(true);
        }
        let succeeded = command(&arguments.command, &rig.url, &rig.api_key).await?;
        probe::run(&rig).await?;
        Ok(succeeded)
    };
    // What serves ends only when it fails.
    let succeeded: Result<bool, Failure> = tokio::select! {
        Some(ended) = running.join_next() => Err(ended.unwrap_or_else(Into::into)),
        succeeded = commanded => succeeded,
    };
    let right = report::print(&rig.seen, !arguments.serve);
    Ok(succeeded? && right)
}

async fn command(command: &[OsString], url: &str, api_key: &str) -> Result<bool, Failure> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let mut command = Command::new(program);
    command.args(arguments).env("LATCHKEY_URL", url).env("LATCHKEY_API_KEY", api_key);
    Ok(command.status().await?.success())
}

#[expect(clippy::print_stdout, reason = "this is what is served")]
fn greet(url: &str, api_key: &str, dynamodb: &str) {
    println!("listening on {url}");
    println!("API key   {api_key}");
    println!("DynamoDB  {dynamodb}  (table {TABLE})");
    println!("Messages  {url}/_dev/sms");
}

/// A running rig.
struct Rig {
    url: String,
    api_key: String,
    faults: Faults,
    clock: LocalClock,
    outbox: Outbox,
    seen: Vec<Seen>,
}

impl Rig {
    /// Starts everything. The tasks are spawned on `running`, and one that ends has failed.
    async fn start(arguments: &Arguments, running: &mut JoinSet<Failure>) -> Result<Self, Failure> {
        let faketime = Faketime::new(&arguments.faketime, &arguments.scratch)?;
        let clock = faketime.clock.clone();
        let aws = Aws { dynamodb: arguments.dynamodb.clone(), moto: arguments.moto.clone() };
        let kms_key = aws.make_key().await?;
        let api_key = aws.deploy(&arguments.latchkey, &kms_key).await?;

        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
        let made = [
            ("Table", TABLE),
            ("KeyringKey.Arn", kms_key.as_str()),
            ("StorageKey.Arn", "arn:aws:kms:storage"),
        ];
        let stack = Stack::read(&file, &[("SmsCountries", "US")], &made)?;
        let functions = arguments.functions.clone();
        let host = Arc::new(Host { functions, logs: arguments.scratch.clone(), faketime });
        let (outbox, faults) = (Outbox::open(None, clock.clone())?, Faults::none());
        let (mut seen, mut by_name) = (Vec::new(), BTreeMap::new());
        for function in stack.functions {
            let (lambda, record) = (Arc::new(Lambda::new(function)), Record::default());
            let watch = Watch { lambda: lambda.clone(), record: record.clone(), outbox: outbox.clone() };
            let upstream =
                Endpoints { dynamodb: aws.dynamodb.clone(), kms: aws.moto.clone(), sns: aws.moto.clone() };
            let watch: proxy::Watch = Arc::new(move |call| watch.see(call));
            let proxy = Proxy { upstream, faults: faults.clone(), watch: Some(watch) };
            let listener = Listener::loopback(0, None).await?;
            let url = listener.url().to_owned();
            running.spawn(async move {
                proxy.serve(listener, pending()).await;
                "a proxy has ended".into()
            });
            for _ in 0..arguments.instances {
                running.spawn(sandbox::keep(lambda.clone(), host.clone(), url.clone()));
            }
            by_name.insert(lambda.function.name.clone(), lambda.clone());
            seen.push(Seen { lambda, record });
        }

        let dev = dev_router(outbox.clone(), clock.clone(), faults.clone());
        let gateway = Gateway { routes: Arc::new(stack.routes), functions: by_name, clock: clock.clone() };
        let app = gateway.router().merge(dev);
        let (listener, url) = listen(arguments.port).await?;
        running.spawn(async move {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await.map_or_else(Into::into, |()| "the gateway has ended".into())
        });
        let all = arguments.instances.try_into()?;
        tokio::select! {
            Some(ended) = running.join_next() => return Err(ended?),
            ready = tokio::time::timeout(START, ready(&seen, all)) => ready?,
        }
        faults.plan_random(arguments.faults, arguments.seed);
        Ok(Self { url, api_key, faults, clock, outbox, seen })
    }
}

/// Waits until all instances have asked for an event.
async fn ready(seen: &[Seen], instances: u64) {
    while seen.iter().any(|seen| seen.lambda.counts().ready < instances) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn listen(port: u16) -> Result<(TcpListener, String), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}
