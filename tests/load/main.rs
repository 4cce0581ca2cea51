//! `load`: many logins at the same time, with faults and without, and what must hold whatever fails.
//!
//! ```text
//! cargo run --release -p tests --bin load                             a server of its own, in memory
//! cargo run --release -p tests --bin load -- --url … --key … --dynamodb-url … --table …
//! ```
//!
//! The server must have been started with faults (`--faults 0`): they are switched on and off over `/_dev/faults`. Logins
//! run without faults, with them, and without them again: nothing is restarted. Then every factor is read from the
//! table. Then text messages are asked for, with the retries of an SDK. Prints tables, and fails when anything was lost,
//! doubled, returned without being written, or promised and not sent.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::too_many_arguments,
    clippy::unwrap_used,
    reason = "a tool that goes wrong fails"
)]

mod login;
mod tally;
mod text;

use clap::Parser;
use cli::serve::faults::Faults;
use cli::serve::{self, Local, Options};
use login::{Login, User};
use shared::config::Settings;
use shared::domain::api_key::ApiKey;
use shared::domain::id::FactorId;
use shared::store::Store;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tally::Tally;
use tests::client::Client;
use text::Texts;
use tokio::task::JoinSet;

#[derive(Parser)]
struct Arguments {
    /// Where a server listens; without it one is started
    #[arg(long, requires_all = ["key", "dynamodb_url"])]
    url: Option<String>,
    /// An API key of it
    #[arg(long)]
    key: Option<String>,
    /// Where its table is reached
    #[arg(long)]
    dynamodb_url: Option<String>,
    /// The table's name
    #[arg(long, default_value = serve::TABLE)]
    table: String,
    /// Logins in each of the three runs
    #[arg(long, default_value_t = 1_000)]
    logins: usize,
    /// Text messages in each of the runs with faults at 0, 0.05, 0.1 and 0.3
    #[arg(long, default_value_t = 200)]
    texts: usize,
    /// How many run at the same time
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// The share of calls that fails in the run with faults
    #[arg(long, default_value_t = 0.05)]
    share: f64,
    /// Which calls fail
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let local = if arguments.url.is_none() { Some(start().await) } else { None };
    let (url, key, dynamodb_url) = match &local {
        Some(local) => (local.url.clone(), local.api_key.expose().to_owned(), local.dynamodb_url.clone()),
        None => (
            arguments.url.clone().unwrap(),
            arguments.key.clone().unwrap(),
            arguments.dynamodb_url.clone().unwrap(),
        ),
    };
    let client = Client::new(&url, &key);
    let store = Store::new(
        shared::aws::dynamodb(&shared::aws::on_this_machine(&dynamodb_url)),
        arguments.table.clone(),
    );

    let mut ok = true;
    println!("{}", Tally::HEADER);
    for (name, share) in [("without faults", 0.0), ("with faults", arguments.share), ("without again", 0.0)] {
        client.inject(share, arguments.seed).await;
        let logins = run(&client, &arguments).await;
        let injected = client.injected().await;
        client.inject(0.0, 0).await;
        let mut tally = Tally::of(&logins);
        check_table(&store, &key, &logins, &mut tally).await;
        println!("{}", tally.row(name, injected.values().sum()));
        if share > 0.0 {
            println!("{}", kinds(&injected));
        }
        ok &= tally.holds() && (share > 0.0 || tally.unavailable == 0);
    }
    println!("\n{}", Texts::HEADER);
    for (run, share) in [0.0, 0.05, 0.1, 0.3].into_iter().enumerate() {
        ok &= texts(&client, &arguments, run * arguments.texts, share).await;
    }
    if let Some(local) = local {
        local.stop().await;
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn start() -> Local {
    let settings = Settings::for_local(&|_| None).unwrap();
    let options = Options { faults: Some(Faults::none()), ..Options::in_memory(settings) };
    serve::start(options).await.expect("a local server")
}

/// Asks for text messages while this share of the calls fails, and prints what came of it.
async fn texts(client: &Client, arguments: &Arguments, first: usize, share: f64) -> bool {
    client.inject(share, arguments.seed).await;
    let mut running = JoinSet::new();
    let mut texts = Vec::new();
    for flow in first..first + arguments.texts {
        let user = User(client.clone());
        if running.len() >= 8 {
            texts.extend(running.join_next().await.transpose().unwrap());
        }
        running.spawn(async move { user.text(flow).await });
    }
    texts.extend(running.join_all().await);
    let injected = client.injected().await;
    client.inject(0.0, 0).await;
    let sent = User(client.clone()).check(&mut texts).await;
    let tally = Texts::of(&texts, &sent);
    println!("{}", tally.row(share, injected.values().sum()));
    tally.holds() && (share > 0.0 || tally.all_sent())
}

/// The logins, as many at a time as there are clients.
async fn run(client: &Client, arguments: &Arguments) -> Vec<Login> {
    let (next, mut running) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for _ in 0..arguments.clients {
        let (user, next, logins) = (User(client.clone()), Arc::clone(&next), arguments.logins);
        running.spawn(async move {
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= logins {
                    return done;
                }
                done.push(user.log_in(number).await);
            }
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

/// Compares the answers with the table: every factor is there, with every verdict.
async fn check_table(store: &Store, key: &str, logins: &[Login], tally: &mut Tally) {
    let tag = ApiKey::parse(key).unwrap().tag().clone();
    let environment = store.environment(&tag).await.unwrap().unwrap().environment.id;
    for login in logins {
        let Some(factor) = &login.factor else { continue };
        let Some(stored) = store.factor(environment, FactorId::parse(factor).unwrap()).await.unwrap() else {
            tally.lost += 1;
            continue;
        };
        let attempts: usize = stored.guard.spent.values().map(|spent| spent.attempts.len()).sum();
        let successes = stored.guard.spent.values().filter(|spent| spent.verified_by.is_some()).count();
        tally.unwritten +=
            login.verdicts.saturating_sub(attempts) + login.successes.saturating_sub(successes);
        tally.doubled += successes.saturating_sub(1);
    }
}

fn kinds(injected: &BTreeMap<String, u64>) -> String {
    let kinds = injected.iter().map(|(kind, count)| format!("{count} {kind}"));
    format!("  tries that met a fault: {}", kinds.collect::<Vec<_>>().join(", "))
}
