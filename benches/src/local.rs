//! `latchkey serve` under many clients, beside better-auth and two minimal services. A login is a challenge and a verify; with
//! better-auth, a sign-in whose password check is free, and the verify of its code.

mod better_auth;

use crate::bench::{Bench, root};
use crate::client::{Client, Factor};
use crate::emulator::Program;
use crate::functions::node;
use crate::plot::{Bar, Plot};
use crate::process::{load_average, peak_memory};
use crate::server::{self, Server};
use crate::table::{Section, Spread, Table, float, number};
use better_auth::User;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Concurrent clients, and how many logins they make together.
const LEVELS: [(usize, usize); 4] = [(1, 400), (8, 1_600), (16, 1_600), (64, 3_200)];
/// Before the others, and not measured: Node compiles what runs often.
const WARM_UP: (usize, usize) = (4, 800);
/// The level at which processor time is compared.
const COMPARED: usize = 16;
/// better-auth is slower: so much fewer logins.
const FEWER: usize = 4;

/// Whom the clients log in.
enum Accounts {
    /// A factor per login, because a code is good once.
    Factors(Vec<Factor>),
    /// better-auth takes a code any number of times: a user per client.
    Users(Vec<User>),
}

/// A service that is measured.
#[derive(Clone, Copy, PartialEq)]
enum Service {
    Latchkey,
    BetterAuth,
    Express,
    Go,
}

struct Load {
    clients: usize,
    logins: usize,
    /// Logins that ended with a 503.
    failed: usize,
    wall: Duration,
    latencies: Spread,
    processor: Duration,
}

pub async fn section(bench: &Bench) -> Section {
    let mut table = Table::new(&[
        "",
        "clients",
        "logins per second",
        "p50, ms",
        "p95",
        "p99",
        "processor per login, ms",
        "memory, MiB",
        "answered 503",
    ]);
    let mut bars = Vec::new();
    for service in [Service::Latchkey, Service::BetterAuth, Service::Express, Service::Go] {
        let dir = tempfile::tempdir_in(root().join("target")).unwrap();
        let server = Server::start(&service.program(bench, dir.path())).await;
        let key = if service == Service::Latchkey { server::api_key(dir.path()) } else { String::new() };
        service.load(&server, &key, WARM_UP).await;
        for (clients, logins) in LEVELS {
            let load = service.load(&server, &key, (clients, logins)).await;
            let per_login = load.processor.as_secs_f64() * 1e3 / float(u64::try_from(load.logins).unwrap());
            let rate = float(u64::try_from(load.logins).unwrap()) / load.wall.as_secs_f64();
            let [p50, p95, p99] = [50, 95, 99].map(|percent| number(load.latencies.percentile(percent)));
            let memory = peak_memory(server.id()).div_ceil(1024).to_string();
            let name = service.name().to_owned();
            table.row(&[
                name,
                load.clients.to_string(),
                number(rate),
                p50,
                p95,
                p99,
                number(per_login),
                memory,
                load.failed.to_string(),
            ]);
            if clients == COMPARED {
                bars.push(Bar { label: service.name().to_owned(), value: per_login, ours: bars.is_empty() });
            }
        }
        server.stop().await;
    }
    let plot = Plot { name: "local", title: "Processor time per login, 16 clients", unit: "ms", bars };
    let text = format!(
        "Each server in a process of its own, whose processor time is its own; the clients share the machine's cores with it; \
         load average {}.\n\n{table}",
        load_average()
    );
    Section::new("local", text, vec![plot])
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Latchkey => "latchkey serve",
            Self::BetterAuth => "better-auth",
            Self::Express => "Express, minimal",
            Self::Go => "Go, minimal",
        }
    }

    fn program(self, bench: &Bench, dir: &Path) -> Program {
        let installed = root().join("target/bench-peers");
        let [script, data] = ["server.mjs", "data"];
        let data = dir.join(data).to_str().unwrap().to_owned();
        let on_node =
            |name: &str| Program::new(node(), &[installed.join(name).join(script).to_str().unwrap(), &data]);
        match self {
            Self::Latchkey => server::latchkey(bench, dir),
            Self::BetterAuth => on_node("better-auth"),
            Self::Express => on_node("express"),
            Self::Go => Program::new(installed.join("go-server"), &[&data]),
        }
    }

    async fn load(self, server: &Server, key: &str, (clients, logins): (usize, usize)) -> Load {
        let (accounts, logins) = if self == Self::BetterAuth {
            (Accounts::Users(User::sign_up(&server.url, clients).await), logins / FEWER)
        } else {
            let client = Client::new(&server.url, key);
            let mut factors = Vec::new();
            for number in 0..logins {
                factors.push(client.enroll(&format!("user_{number}")).await);
            }
            (Accounts::Factors(factors), logins)
        };
        let (accounts, next) = (Arc::new(accounts), Arc::new(AtomicUsize::new(0)));
        let (before, began) = (server.processor_time(), Instant::now());
        let mut running = JoinSet::new();
        for number in 0..clients {
            let (client, accounts) = (Client::new(&server.url, key), Arc::clone(&accounts));
            let next = Arc::clone(&next);
            running.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let login = next.fetch_add(1, Ordering::Relaxed);
                    if login >= logins {
                        return latencies;
                    }
                    let began = Instant::now();
                    let succeeded = match &*accounts {
                        Accounts::Factors(factors) => client.log_in(&factors[login]).await.is_ok(),
                        Accounts::Users(users) => {
                            users[number].log_in().await;
                            true
                        }
                    };
                    if succeeded {
                        latencies.push(began.elapsed());
                    }
                }
            });
        }
        let latencies = running.join_all().await.concat();
        let (failed, logins) = (logins - latencies.len(), latencies.len());
        let (wall, processor) = (began.elapsed(), server.processor_time().saturating_sub(before));
        Load { clients, logins, failed, wall, latencies: Spread::milliseconds(&latencies), processor }
    }
}
