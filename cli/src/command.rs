//! The command line: its arguments and exit codes.

use crate::console::Console;
use crate::deployment::{Deployment, Target};
use crate::env::EnvCommand;
use crate::export::Export;
use crate::factors::FactorsCommand;
use crate::foreground::{self, Serve};
use crate::import::Import;
use crate::init::Init;
use crate::keyring::KeyringCommand;
use crate::keys::KeysCommand;
use crate::recovery::RecoveryCommand;
use crate::{doctor, env, export, factors, import, init, keyring, keys, recovery};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;

/// Success.
pub const OK: u8 = 0;
/// Failure; the error is on stderr.
pub const FAILED: u8 = 1;
/// Usage error: the arguments are invalid.
pub const USAGE: u8 = 2;
/// `doctor` found faults.
pub const FAULTS: u8 = 3;

/// Multi-factor authentication that speaks the WorkOS MFA API.
#[derive(Parser, Debug)]
#[command(
    name = "latchkey",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage error, 3 `doctor` found faults."
)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print results as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve the API and a console on this machine, with its table, its keys and an outbox for text messages (the default)
    Serve(Serve),
    /// Create what a deployment needs: table, keyring, an environment and its first API key. Safe to run again
    Init(Init),
    /// Create, list and delete environments, the tenants
    #[command(subcommand)]
    Env(EnvCommand),
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// List, show, unlock and delete factors
    #[command(subcommand)]
    Factors(FactorsCommand),
    /// Show and revoke a user's recovery codes
    #[command(subcommand)]
    Recovery(RecoveryCommand),
    /// Create the factors of a file from another system, or of an export
    Import(Import),
    /// Write all factors of an environment, with their secrets, to encrypted files
    Export(Export),
    /// List and rotate the keys that seal secrets
    #[command(subcommand)]
    Keyring(KeyringCommand),
    /// Check everything a deployment needs, and suggest remedies
    Doctor,
    /// Print completions for a shell: `latchkey completions bash > /etc/bash_completion.d/latchkey`
    Completions {
        /// Shell to print completions for
        shell: Shell,
    },
}

/// Runs a command line and returns its exit code.
pub async fn run(line: impl IntoIterator<Item = OsString>, console: &mut Console) -> u8 {
    let arguments = match Arguments::try_parse_from(line).and_then(check_target) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            let _ = console.print_error(error.render());
            return USAGE;
        }
        Err(help) => return exit_code(console.print_raw(help.render().to_string().as_bytes()), console),
    };
    console.json = arguments.json;
    match arguments.command.unwrap_or_else(|| Command::Serve(Serve::parse_from(["serve"]))) {
        Command::Serve(serve) => exit_code(foreground::run(serve, console).await, console),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "latchkey", &mut text);
            exit_code(console.print_raw(&text), console)
        }
        command => match Deployment::open(&arguments.target, matches!(command, Command::Init(_))).await {
            Ok(deployment) => {
                let code = run_command(&command, &deployment, console).await;
                deployment.close().await;
                code
            }
            Err(error) => exit_code(Err(error), console),
        },
    }
}

/// Runs an operator's command line on an open deployment.
pub async fn run_on(
    line: impl IntoIterator<Item = OsString>,
    deployment: &Deployment,
    console: &mut Console,
) -> u8 {
    match Arguments::try_parse_from(line) {
        Ok(Arguments { json, command: Some(command), .. }) => {
            console.json = json;
            run_command(&command, deployment, console).await
        }
        _ => USAGE,
    }
}

async fn run_command(command: &Command, deployment: &Deployment, console: &mut Console) -> u8 {
    let result = match command {
        Command::Init(init) => init::run(init, deployment, console).await,
        Command::Env(command) => env::run(command, deployment, console).await,
        Command::Keys(command) => keys::run(command, deployment, console).await,
        Command::Factors(command) => factors::run(command, deployment, console).await,
        Command::Recovery(command) => recovery::run(command, deployment, console).await,
        Command::Import(import) => import::run(import, deployment, console).await,
        Command::Export(export) => export::run(export, deployment, console).await,
        Command::Keyring(command) => keyring::run(command, deployment, console).await,
        Command::Doctor => match doctor::run(deployment, console).await {
            Ok(doctor::Health::Faults) => return FAULTS,
            other => other.map(drop),
        },
        Command::Serve(_) | Command::Completions { .. } => return USAGE,
    };
    exit_code(result, console)
}

fn exit_code<E: Into<Box<dyn std::error::Error>>>(result: Result<(), E>, console: &mut Console) -> u8 {
    let Err(error) = result else { return OK };
    // If stderr cannot be written, the exit code still reports the failure.
    let _ = console.print_error(format_args!("latchkey: {}", error.into()));
    FAILED
}

/// Refuses options that select a deployment for `serve`, which uses a data directory.
fn check_target(arguments: Arguments) -> Result<Arguments, clap::Error> {
    let Target { table, kms_key_id, profile, region, endpoint_url, local } = &arguments.target;
    let has_options =
        [table, kms_key_id, profile, region, endpoint_url].iter().any(|option| option.is_some());
    let serves = matches!(arguments.command, None | Some(Command::Serve(_)));
    if serves && (has_options || local.is_some() || arguments.json) {
        let message = "`latchkey serve` uses a data directory: --data-dir DIR. The other options select a deployment for \
                       commands such as `latchkey doctor`";
        return Err(Arguments::command().error(ErrorKind::ArgumentConflict, message));
    }
    Ok(arguments)
}
