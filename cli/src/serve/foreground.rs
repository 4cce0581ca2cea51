//! `latchkey serve` as a command: its options, its greeting, and Ctrl-C.

use super::faults::Faults;
use super::{Local, Options, ServeError, kms, start};
use crate::console::Console;
use clap::Parser;
use shared::config::Settings;
use shared::logs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// How to serve.
#[derive(Parser, Debug)]
pub struct Serve {
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

/// Serves until Ctrl-C.
///
/// # Errors
///
/// What keeps it from serving.
pub async fn run(arguments: Serve, console: &mut Console) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env_for_local()?;
    // A condition that does not hold is an answer, to everybody but the engine.
    let log = format!("dynoxide=error,{}", settings.log);
    tracing::subscriber::set_global_default(logs::subscriber(&log, io::stderr)?)?;
    let local = start(Options {
        addr: arguments.addr,
        port: arguments.port,
        data_dir: (!arguments.in_memory).then_some(arguments.data_dir),
        dynamodb_port: arguments.dynamodb_port,
        kms_port: arguments.kms_port,
        faults: arguments.faults.map(|share| Faults::random(share, FAULTS_SEED)),
        settings,
    })
    .await?;
    console.print(greeting(&local).as_bytes())?;
    tokio::signal::ctrl_c().await.map_err(ServeError::Signal)?;
    local.stop().await;
    Ok(())
}

fn greeting(local: &Local) -> String {
    let (url, key) = (&local.url, local.api_key.expose());
    let kept = local
        .data_dir
        .as_ref()
        .map_or_else(String::new, |dir| format!("  (kept in {})", dir.join("api-key").display()));
    let faults = if local.faults.is_some() { "Faults    on: some requests answer 503\n" } else { "" };
    let (dynamodb, kms) = (&local.dynamodb_url, &local.kms_url);
    format!(
        r#"listening on {url}

API key   {key}{kept}
DynamoDB  {dynamodb}  (table {table})
KMS       {kms}  (key {key_id})
Messages  {url}/_dev/sms
{faults}
Enroll an authenticator app:

  curl {url}/auth/factors/enroll -H 'Authorization: Bearer {key}' \
    -H 'Content-Type: application/json' \
    -d '{{"type":"totp","totp_issuer":"Foo Corp","totp_user":"alice@example.com"}}'

"#,
        table = super::TABLE,
        key_id = kms::KEY_ID,
    )
}
