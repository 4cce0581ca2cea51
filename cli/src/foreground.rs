//! `latchkey serve` as a command: its options, its greeting, and how it is stopped.

use crate::console::Console;
use crate::serve::faults::Faults;
use crate::serve::{Local, Options, ServeError, kms, start};
use clap::Parser;
use shared::config::Settings;
use shared::logs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How to serve.
#[derive(Parser, Debug)]
pub struct Serve {
    /// Address to listen on. On any but a loopback address other machines can reach the API, and /_dev is closed
    #[arg(long, default_value = "127.0.0.1")]
    addr: IpAddr,
    /// Port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Open /_dev to the other machines that --addr lets in: without a key they read messages and move the clock
    #[arg(long)]
    expose_dev: bool,
    /// Directory for the table, root.key and api-key
    #[arg(long, default_value = ".latchkey")]
    data_dir: PathBuf,
    /// Keep nothing: the table, the keys and the outbox are gone when the server stops
    #[arg(long, conflicts_with = "data_dir")]
    in_memory: bool,
    /// Loopback port of the table's DynamoDB endpoint; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    dynamodb_port: u16,
    /// Loopback port of the root key's KMS endpoint; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    kms_port: u16,
    /// Loopback port of the outbox's SNS endpoint; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    sns_port: u16,
    /// Share of the calls to its own table, keys and outbox that fail, from 0 to 1, to try an application against faults; the
    /// same calls fail at every start
    #[arg(long, value_name = "RATE", value_parser = share)]
    faults: Option<f64>,
}

/// An application's run against faults can be repeated.
const FAULTS_SEED: u64 = 0;

fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or("must be a number from 0 to 1")
}

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
///
/// What keeps it from serving.
pub async fn run(arguments: Serve, console: &mut Console) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env_for_local()?;
    // A condition that does not hold is an answer, to everybody but the engine.
    let log = format!("dynoxide=error,{}", settings.log);
    tracing::subscriber::set_global_default(logs::subscriber(&log, io::stderr)?)?;
    let mut stop = Stop::new()?;
    let options = Options {
        addr: arguments.addr,
        port: arguments.port,
        data_dir: (!arguments.in_memory).then_some(arguments.data_dir),
        dynamodb_port: arguments.dynamodb_port,
        kms_port: arguments.kms_port,
        sns_port: arguments.sns_port,
        expose_dev: arguments.expose_dev,
        faults: arguments.faults.map(|share| Faults::random(share, FAULTS_SEED)),
        settings,
    };
    let local = start(options.clone()).await?;
    console.print(greeting(&local, &options).as_bytes())?;
    stop.requested().await;
    tokio::select! {
        () = local.stop() => {}
        // Asked again, it ends at once.
        () = stop.requested() => {}
    }
    Ok(())
}

/// How a process is asked to stop: Ctrl-C, or SIGTERM as `kill` and containers send it.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Self, ServeError> {
        let on = |kind| signal(kind).map_err(ServeError::Signal);
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn greeting(local: &Local, options: &Options) -> String {
    let (url, key) = (&local.url, local.api_key.expose());
    let kept = local
        .data_dir
        .as_ref()
        .map_or_else(String::new, |dir| format!("  (kept in {})", dir.join("api-key").display()));
    let network = if options.addr.is_loopback() {
        String::new()
    } else {
        format!("Network   open on {}: other machines can reach this server\n", options.addr)
    };
    let messages = if options.has_dev() {
        format!("{url}/_dev/sms")
    } else {
        "in the outbox; /_dev is closed, because other machines could reach it (--expose-dev opens it)"
            .to_owned()
    };
    let faults = if local.faults.is_some() { "Faults    on: some requests answer 503\n" } else { "" };
    let (dynamodb, kms, sns) = (&local.dynamodb_url, &local.kms_url, &local.sns_url);
    format!(
        r#"listening on {url}

API key   {key}{kept}
DynamoDB  {dynamodb}  (table {table})
KMS       {kms}  (key {key_id})
SNS       {sns}
Messages  {messages}
{network}{faults}
Enroll an authenticator app:

  curl {url}/auth/factors/enroll -H 'Authorization: Bearer {key}' \
    -H 'Content-Type: application/json' \
    -d '{{"type":"totp","totp_issuer":"Foo Corp","totp_user":"alice@example.com"}}'

"#,
        table = crate::serve::TABLE,
        key_id = kms::KEY_ID,
    )
}
