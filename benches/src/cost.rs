//! What does not depend on the machine: calls, capacity units, bytes of log, sizes; and the price that follows. The bench fails if
//! any of them is more than it should be.

use crate::bench::{Bench, Operation};
use crate::emulator::Function;
use crate::functions::megabytes;
use crate::meter::{Call, DEPLOYED_TABLE, Meter};
use crate::plot::{Bar, Plot};
use crate::table::{Section, Table, float, number, thousands};
use crate::{prices, template};
use std::fs;

/// Invocations that are counted. All of them must make the same calls.
const INVOCATIONS: usize = 20;
/// Bytes that the functions may log per login, a challenge and a verify.
const LOG_LIMIT: usize = 800;
/// Bytes of a function's binary.
const BINARY_LIMIT: u64 = 8_000_000;

/// The calls that an operation should make, with their units.
fn expected(operation: Operation) -> &'static str {
    match operation {
        Operation::Enroll => "PutItem 2", // the table and the index of users
        Operation::Challenge => "GetItem 1, PutItem 1",
        Operation::Verify => "GetItem 1, UpdateItem 1",
        Operation::Read => "GetItem 1",
    }
}

/// What an invocation of an operation costs.
struct Counted {
    operation: Operation,
    calls: Vec<Call>,
    /// Bytes of its log line, the longest of all.
    log: usize,
    binary: u64,
}

pub async fn section(bench: &Bench) -> Section {
    let mut counted = Vec::new();
    for operation in Operation::ALL {
        counted.push(count(bench, operation).await);
    }
    let mut table = Table::new(&["", "calls, with capacity units", "log, bytes", "binary, MB"]);
    let mut exceeded = Vec::new();
    for one in &counted {
        let (name, calls) = (one.operation.function(), one.text());
        table.row(&[name.to_owned(), calls.clone(), one.log.to_string(), megabytes(one.binary)]);
        if calls != expected(one.operation) {
            exceeded.push(format!("{name} makes {calls} instead of {}", expected(one.operation)));
        }
        if one.binary > BINARY_LIMIT {
            exceeded.push(format!("the binary of {name} has {} bytes", one.binary));
        }
    }
    let login: Vec<&Counted> = counted.iter().filter(|one| one.operation.is_of_login()).collect();
    let log: usize = login.iter().map(|one| one.log).sum();
    if log > LOG_LIMIT {
        exceeded.push(format!("a login logs {log} bytes, and may {LOG_LIMIT}"));
    }
    let bill = Bill::new(&login);
    let text = format!(
        "Per warm invocation, of {INVOCATIONS} that are all alike.\n\n{table}\n\nA million TOTP logins, a challenge and a verify \
         each:\n\n{}",
        bill.table()
    );
    let bars = bill.0.iter().map(|(item, _, price)| Bar::ours(*item, *price)).collect();
    let plot = Plot { name: "cost", title: "A million TOTP logins", unit: "US dollars", bars };
    Section { name: "cost", text, plots: vec![plot], exceeded }
}

impl Operation {
    fn is_of_login(self) -> bool {
        matches!(self, Self::Challenge | Self::Verify)
    }
}

impl Counted {
    fn text(&self) -> String {
        let call = |call: &Call| format!("{} {}", call.operation, call.units);
        self.calls.iter().map(call).collect::<Vec<_>>().join(", ")
    }
}

async fn count(bench: &Bench, operation: Operation) -> Counted {
    let meter = Meter::start(&bench.local.dynamodb_url).await;
    let program = bench.function(operation.function());
    let mut function = Function::start(&program, &bench.variables(&meter.url, DEPLOYED_TABLE)).await;
    let events = bench.events(operation, INVOCATIONS + 1).await;
    // The first one also reads the environment, which is kept for a minute.
    function.invoke(events.nth(INVOCATIONS)).await;
    meter.take();
    let mut calls: Option<Vec<Call>> = None;
    for n in 0..INVOCATIONS {
        function.invoke(events.nth(n)).await;
        let made = meter.take();
        assert_eq!(calls.get_or_insert_with(|| made.clone()), &made, "{} differs", operation.function());
    }
    let log = function.stop().await.log;
    meter.stop();
    assert_eq!(log.lines().count(), INVOCATIONS + 1, "a line per invocation:\n{log}");
    Counted {
        operation,
        calls: calls.unwrap_or_default(),
        log: log.lines().map(|line| line.len() + 1).max().unwrap_or_default(),
        binary: fs::metadata(program.path).unwrap().len(),
    }
}

/// Services, with their calculation and the dollars of a million logins.
struct Bill([(&'static str, String, f64); 4]);

impl Bill {
    fn new(login: &[&Counted]) -> Self {
        let requests = float(u64::try_from(login.len()).unwrap());
        let units = |writes: bool| -> f64 {
            let calls = login.iter().flat_map(|one| &one.calls).filter(|call| call.writes() == writes);
            calls.map(|call| call.units).sum()
        };
        let (reads, writes) = (units(false), units(true));
        let lines: usize = login.iter().map(|one| one.log).sum();
        let gateway = template::gateway_line();
        // A line of the function and one of the gateway per request.
        let bytes = lines + login.len() * (gateway + 2 * prices::PER_LINE);
        let gigabytes = float(u64::try_from(bytes).unwrap()) / 1e3;
        let memory = template::memory();
        let seconds = requests * 1e6 * prices::DURATION * f64::from(memory) / 1024.0;
        let log_lines = 2 * login.len();
        Self([
            ("HTTP API", format!("{requests} requests"), requests * prices::GATEWAY),
            (
                "DynamoDB",
                format!("{reads} read units, {writes} write units"),
                reads * prices::READS + writes * prices::WRITES,
            ),
            (
                "CloudWatch Logs",
                format!(
                    "{lines} B of the functions, {} × {gateway} B of the gateway, {log_lines} × {} B",
                    login.len(),
                    prices::PER_LINE
                ),
                gigabytes * prices::LOGS,
            ),
            (
                "Lambda",
                format!(
                    "{requests} invocations, {} GB-s: an estimate of {} ms with {memory} MB",
                    thousands(&format!("{seconds:.0}")),
                    prices::DURATION * 1e3
                ),
                requests * prices::INVOCATIONS + seconds * prices::GIGABYTE_SECOND,
            ),
        ])
    }

    fn table(&self) -> String {
        let mut table = Table::new(&["service", "per login", "dollars per million"]);
        for (service, calculation, price) in &self.0 {
            table.row(&[(*service).to_owned(), calculation.clone(), number(*price)]);
        }
        let sum = self.0.iter().map(|(_, _, price)| price).sum();
        table.row(&["**together**".to_owned(), String::new(), format!("**{}**", number(sum))]);
        table.to_string()
    }
}
