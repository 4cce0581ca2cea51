//! An enrollment's work without a table: the QR code, and the whole of it, beside Node and Python; and a phone number.

use crate::bench::{Bench, URI, root};
use crate::functions::node;
use crate::plot::{Bar, Plot};
use crate::process::load_average;
use crate::table::{Section, Spread, Table, number};
use serde_json::Value;
use shared::domain::otpauth::{self, Label};
use shared::domain::qr;
use shared::domain::totp::Secret;
use shared::ports::{Entropy as _, OsEntropy};
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

const RUNS: usize = 2_000;
const PEER_RUNS: &str = "300";
/// Processes that read a phone number.
const PROCESSES: usize = 25;
const PHONES: [&str; 2] = ["+12025550123", "+447400123456"];

/// How long an operation takes, in microseconds, and the length of its result.
struct Timed {
    times: Spread,
    characters: usize,
}

pub fn section() -> Section {
    let installed = root().join("target/bench-peers");
    let node = peer(Command::new(node()).arg(installed.join("node/measure.mjs")));
    let python =
        peer(Command::new(installed.join("venv/bin/python")).arg(installed.join("python/measure.py")));
    let ours = [timed(|| qr::data_uri(URI).unwrap().len()), timed(enroll)];
    let labels = ["Latchkey", "Node: otplib, qrcode", "Python: pyotp, segno"];
    let mut table = Table::new(&["", "QR code, µs", "characters", "secret, URI and QR code, µs"]);
    let all = [ours, node, python];
    for (label, [qr, enroll]) in labels.iter().zip(&all) {
        let times = [qr, enroll].map(|timed| timed.times.to_string());
        let [qr_times, enroll_times] = times;
        table.row(&[(*label).to_owned(), qr_times, qr.characters.to_string(), enroll_times]);
    }
    let ratio = all[1][0].times.median() / all[0][0].times.median();
    let bars = labels.iter().zip(&all).enumerate().map(|(at, (label, [qr, _]))| Bar {
        label: (*label).to_owned(),
        value: qr.times.median(),
        ours: at == 0,
    });
    let plot = Plot {
        name: "qr",
        title: "An otpauth URI of 145 bytes as a QR code",
        unit: "µs",
        bars: bars.collect(),
    };
    let [first, second] = phones();
    let text = format!(
        "{RUNS} runs ({PEER_RUNS} of Node and Python) with a URI of {} bytes; load average {}. Node takes {} times as long as \
         Latchkey for the QR code.\n\n{table}\n\nThe first phone number that a process reads takes {first} µs, the second \
         {second} µs ({PROCESSES} processes).",
        URI.len(),
        load_average(),
        number(ratio),
    );
    Section::new("alone", text, vec![plot])
}

fn enroll() -> usize {
    let label = |text: &str| Label::parse(text).unwrap();
    let secret = Secret::random(&mut OsEntropy.rng().unwrap());
    qr::data_uri(&otpauth::uri(&label("Foo Corp"), &label("alice@example.com"), &secret)).unwrap().len()
}

fn timed(operation: impl Fn() -> usize) -> Timed {
    let mut characters = 0;
    let mut times = Vec::new();
    for run in 0..RUNS + RUNS / 10 {
        let start = Instant::now();
        characters = black_box(operation());
        if run >= RUNS / 10 {
            times.push(start.elapsed());
        }
    }
    Timed { times: Spread::microseconds(&times), characters }
}

/// Runs a peer's program, which measures itself: its QR code, and its enrollment.
fn peer(program: &mut Command) -> [Timed; 2] {
    let output = program.args([URI, PEER_RUNS]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    ["qr", "enroll"].map(|operation| {
        let times = measured[operation]["microseconds"].as_array().unwrap();
        let characters = measured[operation]["characters"].as_u64().unwrap();
        Timed {
            times: Spread::new(times.iter().map(|time| time.as_f64().unwrap()).collect()),
            characters: characters.try_into().unwrap(),
        }
    })
}

/// Microseconds for the first and the second phone number of a process.
fn phones() -> [Spread; 2] {
    let run = |_| {
        let output = Command::new(Bench::own("phone").path).args(PHONES).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect()
    };
    let runs: Vec<Vec<f64>> = (0..PROCESSES).map(run).collect();
    [0, 1].map(|at| Spread::new(runs.iter().map(|numbers| numbers[at]).collect()))
}
