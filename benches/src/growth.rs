//! What an operation costs with few and with many factors in the table, and how soon the local server answers after a start.
//!
//! The table is filled with copies of an enrolled factor under other IDs and users. They are read and listed like any other, but
//! their secrets cannot be opened, so the logins that are measured are those of factors enrolled over the API.

use crate::bench::{Bench, root};
use crate::client::{Client, Factor};
use crate::plot::{Bar, Plot};
use crate::process::load_average;
use crate::server::{self, Server};
use crate::table::{Section, Table, float, number, thousands};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use cli::serve::TABLE;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use shared::domain::id::FactorId;
use shared::ports::{Clock as _, SystemClock};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

type Item = HashMap<String, AttributeValue>;

/// Requests per operation and size, after as many tenths.
const REQUESTS: usize = 600;
/// What DynamoDB takes in one transaction, which the engine syncs to the disk once.
const BATCH: usize = 100;
/// Transactions at the same time.
const WRITERS: usize = 2;
/// The user of the factor that is copied, and the start of the names of the copies' users.
const USER: &str = "user_original";
/// Factors per user.
const PER_USER: usize = 5;
/// Starts with a filled table.
const STARTS: usize = 5;

const OPERATIONS: [&str; 5] = ["enroll", "challenge", "verify", "list a user's", "engine: one read"];

/// Milliseconds of the server's processor time per request of each operation.
struct Measured {
    factors: usize,
    costs: [f64; OPERATIONS.len()],
}

pub async fn section(bench: &Bench) -> Section {
    let sizes: &[usize] = if bench.short { &[1_000, 10_000] } else { &[1_000, 100_000, 1_000_000] };
    let dir = tempfile::tempdir_in(root().join("target")).unwrap();
    let program = server::latchkey(bench, dir.path());
    let mut server = Server::start(&program).await;
    let client = Client::new(&server.url, &server::api_key(dir.path()));
    let original = client.enroll(USER).await;
    let template = template(dir.path(), &original).await;
    let (mut filled, mut measured, mut starts) = (0, Vec::new(), Vec::new());
    let mut filling = Duration::ZERO;
    for size in sizes {
        let began = Instant::now();
        fill(dir.path(), &template, filled..*size).await;
        filling += began.elapsed();
        filled = *size;
        measured.push(measure(&server, dir.path(), *size).await);
    }
    // After everything else: a start begins to look for expired items.
    for _ in 0..STARTS {
        server.stop().await;
        let began = Instant::now();
        server = Server::start(&program).await;
        let client = Client::new(&server.url, &server::api_key(dir.path()));
        client.get(&format!("/auth/factors/{}", original.id)).await;
        starts.push(began.elapsed());
    }
    server.stop().await;
    starts.sort();
    let text = text(&measured, starts[STARTS / 2], filling);
    Section::new("growth", text, vec![plot(&measured)])
}

/// The item of the only factor in the table.
async fn template(dir: &Path, factor: &Factor) -> Item {
    let items = engine(dir).scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    let id = |item: &Item| {
        item["pk"].as_s().unwrap().ends_with(&factor.id) && item["sk"].as_s().unwrap() == "factor"
    };
    items.into_iter().find(id).expect("an enrolled factor")
}

/// Writes copies under other IDs and users, in transactions.
async fn fill(dir: &Path, template: &Item, numbers: std::ops::Range<usize>) {
    let old = template["pk"].as_s().unwrap().split('/').nth(1).unwrap().to_owned();
    let batches: Vec<_> =
        numbers.clone().step_by(BATCH).map(|first| first..(first + BATCH).min(numbers.end)).collect();
    let mut writing = JoinSet::new();
    for share in batches.chunks(batches.len().div_ceil(WRITERS).max(1)) {
        let (engine, template, old, share) = (engine(dir), template.clone(), old.clone(), share.to_vec());
        writing.spawn(async move {
            for numbers in share {
                let mut rng = StdRng::seed_from_u64(u64::try_from(numbers.start).unwrap());
                let copies = numbers.map(|number| {
                    let id = FactorId::new(SystemClock.now(), &mut rng).to_string();
                    put(copy(&template, &[(&old, &id), (USER, &format!("user_{}", number / PER_USER))]))
                });
                engine
                    .transact_write_items()
                    .set_transact_items(Some(copies.collect()))
                    .send()
                    .await
                    .unwrap();
            }
        });
    }
    writing.join_all().await;
}

/// The item with other texts in place of some.
fn copy(item: &Item, replaced: &[(&str, &str)]) -> Item {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => {
            AttributeValue::S(replaced.iter().fold(text.clone(), |text, (old, new)| text.replace(old, new)))
        }
        other => other.clone(),
    };
    item.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect()
}

fn put(item: Item) -> TransactWriteItem {
    let put = Put::builder().table_name(TABLE).set_item(Some(item)).build().unwrap();
    TransactWriteItem::builder().put(put).build()
}

/// A client of the engine. A batch of writes may take longer than a request's calls.
fn engine(dir: &Path) -> aws_sdk_dynamodb::Client {
    let sdk = shared::aws::on_this_machine(&server::dynamodb_url(dir));
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk).timeout_config(TimeoutConfig::disabled());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// The server's processor time per request, one after the other from one client.
async fn measure(server: &Server, dir: &Path, factors: usize) -> Measured {
    let client = Client::new(&server.url, &server::api_key(dir));
    let engine = engine(dir);
    let user = |n: usize| format!("user_{factors}_{}", n / PER_USER);
    let (mut enrolled, mut challenges) = (Vec::new(), Vec::new());
    let mut costs = [0.0; OPERATIONS.len()];
    for (operation, cost) in costs.iter_mut().enumerate() {
        let mut before = Duration::ZERO;
        for n in 0..REQUESTS + REQUESTS / 10 {
            if n == REQUESTS / 10 {
                before = server.processor_time();
            }
            match operation {
                0 => enrolled.push(client.enroll(&user(n)).await),
                1 => challenges.push(client.challenge(&enrolled[n]).await),
                2 => client.verify(&challenges[n], &enrolled[n]).await,
                3 => drop(client.get(&format!("/auth/factors?user_id={}", user(n))).await),
                _ => {
                    let key = |text: &str| AttributeValue::S(text.to_owned());
                    let read =
                        engine.get_item().table_name(TABLE).key("pk", key("none")).key("sk", key("none"));
                    read.consistent_read(true).send().await.unwrap();
                }
            }
        }
        let used = server.processor_time().saturating_sub(before);
        *cost = used.as_secs_f64() * 1e3 / float(u64::try_from(REQUESTS).unwrap());
    }
    Measured { factors, costs }
}

fn text(measured: &[Measured], start: Duration, filling: Duration) -> String {
    let size = |factors: usize| thousands(&factors.to_string());
    let (first, last) = (&measured[0], &measured[measured.len() - 1]);
    let mut table = Table::new(&["processor per request, ms", "fewest factors", "most factors", "ratio"]);
    for (at, operation) in OPERATIONS.iter().enumerate() {
        let ratio = number(last.costs[at] / first.costs[at]);
        table.row(&[(*operation).to_owned(), number(first.costs[at]), number(last.costs[at]), ratio]);
    }
    let between: Vec<String> = measured
        .iter()
        .map(|one| format!("{}: {}", size(one.factors), one.costs.map(number).join(", ")))
        .collect();
    format!(
        "From {} to {} factors, which were written in {} s; {REQUESTS} requests each; load average {}.\n\n{table}\n\nIn the same \
         order, at each size: {}.\n\nFrom the start of `latchkey serve` to its first answer, with {} factors: {} ms (median of \
         {STARTS}).",
        size(first.factors),
        size(last.factors),
        filling.as_secs(),
        load_average(),
        between.join("; "),
        size(last.factors),
        number(start.as_secs_f64() * 1e3),
    )
}

fn plot(measured: &[Measured]) -> Plot {
    let bars = [1, 2].into_iter().flat_map(|at| {
        measured.iter().map(move |one| {
            Bar::ours(format!("{}, {}", OPERATIONS[at], thousands(&one.factors.to_string())), one.costs[at])
        })
    });
    Plot { name: "growth", title: "Processor time by number of factors", unit: "ms", bars: bars.collect() }
}
