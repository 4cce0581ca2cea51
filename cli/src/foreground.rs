//! `latchkey serve`: its options, its startup message, and how it stops.

mod ready;

use crate::console::Console;
use crate::serve::activity::{LogFormat, Printer, log_writer};
use crate::serve::faults::Faults;
use crate::serve::{Local, Options, ServeError, kms, start};
use clap::Parser;
use ready::ReadyFile;
use shared::config::Settings;
use shared::logs;
use shared::operate::may_have_colors;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The arguments of `latchkey serve`.
#[derive(Parser, Debug)]
pub struct Serve {
    /// Address to listen on. If it is not a loopback address, other machines can connect to the API, and the console and
    /// /_dev are turned off
    #[arg(long, default_value = "127.0.0.1")]
    addr: IpAddr,
    /// Port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Turn on /_dev even if --addr is not a loopback address: other machines can then read messages and move the clock
    /// without a key. The console stays off
    #[arg(long)]
    expose_dev: bool,
    /// Directory for the table, root.key and api-key
    #[arg(long, default_value = ".latchkey")]
    data_dir: PathBuf,
    /// Keep everything in memory: the table, the keys and the outbox are lost when the server stops
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
    /// Fraction of the server's calls to its table, keys and outbox that fail, from 0 to 1, to test an application
    /// against errors. The same calls fail after every start
    #[arg(long, value_name = "RATE", value_parser = fault_rate)]
    faults: Option<f64>,
    /// Form of the log on standard error: `text` prints a short line per request for people, `json` the audit line
    /// [default: `text` on a terminal, otherwise `json`]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    log_format: Option<LogFormat>,
    /// File to write when the server is ready, and to remove when it stops: JSON with its URL, API key and endpoints, for
    /// tests that start a server
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// A fixed seed, so that a test of an application against faults is reproducible.
const FAULTS_SEED: u64 = 0;

fn fault_rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or("must be a number from 0 to 1")
}

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
///
/// If the server cannot start.
pub async fn run(arguments: Serve, console: &mut Console) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env_for_local()?;
    // The engine logs failed conditions as warnings, but they are expected.
    let log = format!("dynoxide=error,{}", settings.log);
    let terminal = io::stderr().is_terminal();
    let format = arguments.log_format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    tracing::subscriber::set_global_default(logs::subscriber(&log, log_writer(format, io::stderr))?)?;
    let color = terminal && may_have_colors();
    let mut signals = StopSignals::new()?;
    let options = Options {
        addr: arguments.addr,
        port: arguments.port,
        data_dir: (!arguments.in_memory).then_some(arguments.data_dir),
        dynamodb_port: arguments.dynamodb_port,
        kms_port: arguments.kms_port,
        sns_port: arguments.sns_port,
        expose_dev: arguments.expose_dev,
        faults: arguments.faults.map(|rate| Faults::random(rate, FAULTS_SEED)),
        printer: (format == LogFormat::Text).then(|| Printer::new(color, print_on_stderr)),
        settings,
    };
    let ready_file = arguments.ready_file.map(ReadyFile::new).transpose()?;
    let local = start(options.clone()).await?;
    let announced = announce(&local, &options, ready_file.as_ref(), console);
    if announced.is_ok() {
        signals.received().await;
    }
    // First, so that no one finds a server that is going away.
    let removed = ready_file.map_or(Ok(()), ReadyFile::remove);
    tokio::select! {
        () = local.stop() => {}
        // A second signal stops the server at once.
        () = signals.received() => {}
    }
    announced?;
    removed?;
    Ok(())
}

/// Says where the server is: to programs in the ready file, then to people.
fn announce(
    local: &Local,
    options: &Options,
    ready_file: Option<&ReadyFile>,
    console: &mut Console,
) -> Result<(), Box<dyn std::error::Error>> {
    ready_file.map_or(Ok(()), |file| file.write(local, options))?;
    console.print_raw(startup_message(local, options).as_bytes())?;
    Ok(())
}

/// Prints a line. If standard error is closed, there is nowhere to report it.
fn print_on_stderr(line: &str) {
    let _ = io::stderr().write_all(line.as_bytes());
}

/// The signals that stop the server: Ctrl-C (SIGINT) and SIGTERM, as sent by `kill` and by container runtimes.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn new() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(ServeError::Signal);
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn startup_message(local: &Local, options: &Options) -> String {
    let (url, key) = (&local.url, local.api_key.expose());
    let stored_in = local
        .data_dir
        .as_ref()
        .map_or_else(String::new, |dir| format!("  (stored in {})", dir.join("api-key").display()));
    let network = if options.addr.is_loopback() {
        String::new()
    } else {
        format!("Network   listening on {}: other machines can connect to this server\n", options.addr)
    };
    let messages = if options.has_dev() {
        format!("{url}/_dev/sms")
    } else {
        "in the outbox; /_dev is off, because other machines could use it (turn it on with --expose-dev)"
            .to_owned()
    };
    let console = if options.has_console() {
        format!("Console   {url}/  (open it in a browser to try the API and read messages)\n\n")
    } else {
        String::new()
    };
    let faults = if local.faults.is_some() { "Faults    on: some requests answer 503\n" } else { "" };
    let (dynamodb, kms, sns) = (&local.dynamodb_url, &local.kms_url, &local.sns_url);
    format!(
        r#"{console}listening on {url}

API key   {key}{stored_in}
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
