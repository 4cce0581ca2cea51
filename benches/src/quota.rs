//! The functions with the share of a processor that Lambda gives to 128 MB, from their first event on; before that, Lambda gives
//! a whole one.
//!
//! The share is enforced by the kernel, with a control group. Where none can be made the part is left out, and says so.

use crate::bench::{Bench, Operation};
use crate::emulator::{Function, Program};
use crate::functions::{peer, verifies};
use crate::plot::{Bar, Plot};
use crate::process::load_average;
use crate::table::{Section, Spread, Table, number};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// 128 MB of the 1,769 MB for which Lambda gives one processor: 7.2 % of every 20 ms.
const PERIOD_MICROSECONDS: u32 = 20_000;
const SHARE_MICROSECONDS: u32 = 1_447;
/// Processes whose first invocation is measured.
const STARTS: usize = 10;
/// Invocations of one process.
const INVOCATIONS: usize = 200;
/// Between two invocations, so that each finds its share unspent, as after a pause in Lambda.
const PAUSE: Duration = Duration::from_millis(40);

/// A control group with that share. It can be removed when its processes have ended.
struct Quota(PathBuf);

impl Quota {
    fn create() -> io::Result<Self> {
        let (unified, cpu) = (Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup/cpu"));
        let name = format!("latchkey-bench-{}", std::process::id());
        if unified.join("cgroup.controllers").exists() {
            fs::write(unified.join("cgroup.subtree_control"), "+cpu")?;
            let group = Self(unified.join(name));
            fs::create_dir(&group.0)?;
            fs::write(group.0.join("cpu.max"), format!("{SHARE_MICROSECONDS} {PERIOD_MICROSECONDS}"))?;
            return Ok(group);
        }
        let group = Self(cpu.join(name));
        fs::create_dir(&group.0)?;
        fs::write(group.0.join("cpu.cfs_period_us"), PERIOD_MICROSECONDS.to_string())?;
        fs::write(group.0.join("cpu.cfs_quota_us"), SHARE_MICROSECONDS.to_string())?;
        Ok(group)
    }

    fn hold(&self, function: &Function) {
        fs::write(self.0.join("cgroup.procs"), function.id().to_string()).unwrap();
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).unwrap();
    }
}

struct Line {
    name: &'static str,
    first: Spread,
    warm: Spread,
}

pub async fn section(bench: &Bench) -> Section {
    let quota = match Quota::create() {
        Ok(quota) => quota,
        Err(error) => {
            let text = format!("Not measured: no control group can be made here ({error}).");
            return Section::new("quota", text, Vec::new());
        }
    };
    let mut lines = vec![measure(bench, &quota, ("hello", Bench::own("hello")), |_| "{}".to_owned()).await];
    for operation in Operation::ALL {
        let (name, events) = (operation.function(), bench.events(operation, STARTS + INVOCATIONS).await);
        lines.push(measure(bench, &quota, (name, bench.function(name)), |n| events.nth(n)).await);
    }
    for (name, language) in [("Node: verify", "node"), ("Python: verify", "python")] {
        let enrollments = bench.events(Operation::Enroll, 0).await;
        let mut function = Function::start(&peer(language), &bench.engine()).await;
        let mut enrolled = Vec::new();
        for n in 0..STARTS + INVOCATIONS {
            enrolled.push(function.invoke(enrollments.nth(n)).await);
        }
        function.stop().await;
        let events = verifies(bench, &enrolled);
        lines.push(measure(bench, &quota, (name, peer(language)), |n| events.nth(n)).await);
    }
    let mut table = Table::new(&["", "first invocation, ms", "warm p50, ms", "p95", "p99"]);
    for line in &lines {
        let [p50, p95, p99] = [50, 95, 99].map(|percent| number(line.warm.percentile(percent)));
        table.row(&[line.name.to_owned(), line.first.to_string(), p50, p95, p99]);
    }
    let bar = |line: &Line| Bar {
        label: line.name.to_owned(),
        value: line.first.median(),
        ours: Operation::ALL.iter().any(|operation| operation.function() == line.name),
    };
    let bars = lines.iter().map(bar).collect();
    let plot = Plot { name: "quota", title: "First invocation with 7 % of a processor", unit: "ms", bars };
    let text = format!(
        "{SHARE_MICROSECONDS} µs of every {PERIOD_MICROSECONDS} µs; {STARTS} starts, and {INVOCATIONS} invocations {} ms apart; \
         load average {}.\n\n{table}",
        PAUSE.as_millis(),
        load_average()
    );
    Section::new("quota", text, vec![plot])
}

async fn measure(
    bench: &Bench,
    quota: &Quota,
    (name, program): (&'static str, Program),
    event: impl Fn(usize) -> String,
) -> Line {
    let (mut first, mut warm) = (Vec::new(), Vec::new());
    for n in 0..STARTS {
        let mut function = Function::start(&program, &bench.engine()).await;
        quota.hold(&function);
        first.push(function.time(event(n)).await);
        if n == STARTS - 1 {
            for n in STARTS..STARTS + INVOCATIONS {
                tokio::time::sleep(PAUSE).await;
                warm.push(function.time(event(n)).await);
            }
        }
        function.stop().await;
    }
    Line { name, first: Spread::milliseconds(&first), warm: Spread::milliseconds(&warm) }
}
