//! The release binaries under the Runtime API, beside hello, their calls alone, and functions in Node and Python.

use crate::bench::{Bench, Events, Operation, root};
use crate::client::Factor;
use crate::emulator::{Function, Program};
use crate::plot::{Bar, Plot};
use crate::process::{load_average, peak_memory};
use crate::table::{Section, Spread, Table};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Starts of each program.
const STARTS: usize = 25;
/// Invocations before those that are measured.
const WARM_UP: usize = 50;
/// Invocations that are measured.
const INVOCATIONS: usize = 250;

struct Line {
    name: &'static str,
    cold: Spread,
    warm: Spread,
    /// KiB.
    memory: u64,
    /// Bytes; `None` for a program that is not a binary.
    binary: Option<u64>,
    answers: Vec<Value>,
}

pub async fn section(bench: &Bench) -> Section {
    let mut lines = Vec::new();
    lines.push(measure(bench, ("hello", Bench::own("hello")), |_| "{}".to_owned()).await);
    for operation in Operation::ALL {
        let (name, events) = (operation.function(), bench.events(operation, WARM_UP + INVOCATIONS).await);
        let programs = [(name, bench.function(name)), (operation.floor(), bench.floor(operation).await)];
        lines.extend(measure_together(bench, programs, |n| events.nth(n)).await);
    }
    for [enroll, verify, language] in
        [["Node: enroll", "Node: verify", "node"], ["Python: enroll", "Python: verify", "python"]]
    {
        let (program, events) = (peer(language), bench.events(Operation::Enroll, 0).await);
        lines.push(measure(bench, (enroll, program.clone()), |n| events.nth(n)).await);
        let events = verifies(bench, &lines[lines.len() - 1].answers);
        lines.push(measure(bench, (verify, program), |n| events.nth(n)).await);
    }
    Section::new("functions", text(&lines), plots(&lines))
}

/// A function of benches/peers, as `benches/setup` installed it.
pub fn peer(language: &str) -> Program {
    let installed = root().join("target/bench-peers");
    let at = |path: &str| installed.join(path).to_str().unwrap().to_owned();
    match language {
        "node" => Program::new(node(), &[&at("node/function.mjs")]),
        _ => Program::new(at("venv/bin/python"), &[&at("python/function.py")]),
    }
}

/// Node's absolute path, because a function has no PATH.
pub fn node() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|dir| dir.join("node")).filter(|file| file.exists());
    fs::canonicalize(found.next().expect("node is installed")).unwrap()
}

/// Verifies of the factors that a peer enrolled.
pub fn verifies<'a>(bench: &'a Bench, enrolled: &[Value]) -> Events<'a> {
    bench.peer_verifies(enrolled.iter().map(Factor::new).collect())
}

/// Starts a program many times, then invokes one of them many times with the events of `event`.
async fn measure(bench: &Bench, program: (&'static str, Program), event: impl Fn(usize) -> String) -> Line {
    let [line] = measure_together(bench, [program], event).await;
    line
}

/// The same of several programs, which are invoked in turns, so that they meet the same load and can be compared.
async fn measure_together<const N: usize>(
    bench: &Bench,
    programs: [(&'static str, Program); N],
    event: impl Fn(usize) -> String,
) -> [Line; N] {
    let mut running = Vec::new();
    for (_, program) in &programs {
        running.push(Running::start(bench, program).await);
    }
    for n in 0..WARM_UP + INVOCATIONS {
        let event = event(n);
        for function in &mut running {
            function.invoke(event.clone(), n >= WARM_UP).await;
        }
    }
    let mut lines = Vec::new();
    for ((name, program), running) in programs.into_iter().zip(running) {
        lines.push(running.stop(name, &program).await);
    }
    lines.try_into().unwrap_or_else(|_| unreachable!("a line for each program"))
}

/// A program that is measured.
struct Running {
    cold: Vec<Duration>,
    function: Function,
    warm: Vec<Duration>,
    answers: Vec<Value>,
}

impl Running {
    async fn start(bench: &Bench, program: &Program) -> Self {
        let variables = bench.engine();
        let mut cold = Vec::new();
        for _ in 0..STARTS {
            let function = Function::start(program, &variables).await;
            cold.push(function.cold);
            function.stop().await;
        }
        let function = Function::start(program, &variables).await;
        Self { cold, function, warm: Vec::new(), answers: Vec::new() }
    }

    async fn invoke(&mut self, event: String, measured: bool) {
        let before = self.function.processor_time();
        let answer = self.function.invoke(event).await;
        if measured {
            self.warm.push(self.function.processor_time().saturating_sub(before));
        }
        assert_ne!(answer["valid"], false, "a right code");
        self.answers.push(answer);
    }

    async fn stop(self, name: &'static str, program: &Program) -> Line {
        let memory = peak_memory(self.function.id());
        self.function.stop().await;
        let binary = program.arguments.is_empty().then(|| fs::metadata(&program.path).unwrap().len());
        let (cold, warm) = (Spread::milliseconds(&self.cold), Spread::microseconds(&self.warm));
        Line { name, cold, warm, memory, binary, answers: self.answers }
    }
}

fn text(lines: &[Line]) -> String {
    let mut table = Table::new(&[
        "",
        "start to first event, ms",
        "processor per warm invocation, µs",
        "memory, MiB",
        "binary, MB",
    ]);
    for line in lines {
        let binary = line.binary.map_or_else(|| "–".to_owned(), megabytes);
        let memory = line.memory.div_ceil(1024).to_string();
        table.row(&[line.name.to_owned(), line.cold.to_string(), line.warm.to_string(), memory, binary]);
    }
    format!(
        "{STARTS} starts and {INVOCATIONS} invocations each: median (5th to 95th percentile); load average {}.\n\n{table}",
        load_average()
    )
}

/// Bytes in units of a million, rounded up.
pub fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn plots(lines: &[Line]) -> Vec<Plot> {
    let bars = |value: fn(&Line) -> f64| {
        let bar = |line: &Line| {
            let ours = Operation::ALL.iter().any(|operation| operation.function() == line.name);
            Bar { label: line.name.to_owned(), value: value(line), ours }
        };
        lines.iter().map(bar).collect()
    };
    let (start, warm) = (bars(|line| line.cold.median()), bars(|line| line.warm.median()));
    vec![
        Plot { name: "start", title: "Start to first event", unit: "ms", bars: start },
        Plot { name: "invocation", title: "Processor time per warm invocation", unit: "µs", bars: warm },
    ]
}
