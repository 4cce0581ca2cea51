//! `latchkey`: `serve` runs everything in one process on this machine.

use clap::{Parser, Subcommand};
use cli::serve::faults::Faults;
use cli::serve::{self, Local, Options, ServeError};
use shared::config::Settings;
use shared::http::logs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Multi-factor authentication that speaks the WorkOS MFA API.
#[derive(Parser)]
#[command(name = "latchkey", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API on this machine, with its table, its keys and an outbox for text messages (the default)
    Serve(Serve),
}

#[derive(Parser)]
struct Serve {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    addr: IpAddr,
    /// The port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Where the table, root.key and api-key are kept
    #[arg(long, default_value = ".latchkey")]
    data_dir: PathBuf,
    /// Keeps nothing: the table, the keys and the outbox are gone when the server stops
    #[arg(long, conflicts_with = "data_dir")]
    in_memory: bool,
    /// The loopback port of the table's own DynamoDB endpoint; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    dynamodb_port: u16,
    /// The loopback port of the root key's own KMS endpoint; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    kms_port: u16,
    /// Fails that share of the calls to its own table and outbox, to try an application against faults; 0.05 is one in
    /// twenty, the same ones at every start
    #[arg(long, value_name = "RATE", value_parser = share)]
    faults: Option<f64>,
}

/// An application's run against faults can be repeated.
const FAULTS_SEED: u64 = 0;

fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or("must be a number from 0 to 1")
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let Command::Serve(arguments) = command.unwrap_or_else(|| Command::Serve(Serve::parse_from(["serve"])));
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Serve) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env_for_local()?;
    tracing::subscriber::set_global_default(logs(&settings.log, std::io::stderr)?)?;
    let local = serve::start(Options {
        addr: arguments.addr,
        port: arguments.port,
        data_dir: (!arguments.in_memory).then_some(arguments.data_dir),
        dynamodb_port: arguments.dynamodb_port,
        kms_port: arguments.kms_port,
        faults: arguments.faults.map(|share| Faults::random(share, FAULTS_SEED)),
        settings,
    })
    .await?;
    greet(&local);
    tokio::signal::ctrl_c().await.map_err(ServeError::Signal)?;
    local.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the command is run for")]
fn greet(local: &Local) {
    let (url, key) = (&local.url, local.api_key.expose());
    println!("listening on {url}");
    println!();
    match &local.data_dir {
        Some(dir) => println!("API key   {key}  (kept in {})", dir.join("api-key").display()),
        None => println!("API key   {key}"),
    }
    println!("DynamoDB  {}  (table {})", local.dynamodb_url, serve::TABLE);
    println!("KMS       {}  (key {})", local.kms_url, serve::kms::KEY_ID);
    println!("Messages  {url}/_dev/sms");
    if local.faults.is_some() {
        println!("Faults    on: some requests answer 503");
    }
    println!();
    println!("Enroll an authenticator app:");
    println!();
    println!("  curl {url}/auth/factors/enroll -H 'Authorization: Bearer {key}' \\");
    println!("    -H 'Content-Type: application/json' \\");
    println!(
        "    -d '{{\"type\":\"totp\",\"totp_issuer\":\"Foo Corp\",\"totp_user\":\"alice@example.com\"}}'"
    );
    println!();
}

#[expect(clippy::print_stderr, reason = "this is where a command says what went wrong")]
fn complain(error: &dyn std::error::Error) {
    eprintln!("latchkey: {error}");
}
