//! Instructions per invocation, as valgrind's callgrind counts them: the same in every run within a percent, whatever else the
//! machine does.

use crate::bench::{Bench, Operation};
use crate::emulator::{Function, Program};
use crate::table::{Section, Table, float, number, thousands};

/// A program runs with this many invocations, and again with twice as many. The difference is what they cost.
const INVOCATIONS: usize = 100;

pub async fn section(bench: &Bench) -> Section {
    let mut table =
        Table::new(&["", "instructions until the first event, million", "instructions per invocation"]);
    let hello = Bench::own("hello");
    let [once, twice] = [
        instructions(bench, &hello, INVOCATIONS, |_| "{}".to_owned()).await,
        instructions(bench, &hello, 2 * INVOCATIONS, |_| "{}".to_owned()).await,
    ];
    table.row(&row("hello", once, twice));
    for operation in Operation::ALL {
        for (name, program) in [
            (operation.function(), bench.function(operation.function())),
            (operation.floor(), bench.floor(operation).await),
        ] {
            let mut counted = Vec::new();
            for count in [INVOCATIONS, 2 * INVOCATIONS] {
                let events = bench.events(operation, count).await;
                counted.push(instructions(bench, &program, count, |n| events.nth(n)).await);
            }
            table.row(&row(name, counted[0], counted[1]));
        }
    }
    let text = format!(
        "Instructions in user space. Per invocation: the difference between {} and {INVOCATIONS} invocations of a process.\n\n\
         {table}",
        2 * INVOCATIONS
    );
    Section::new("callgrind", text, Vec::new())
}

fn row(name: &str, once: u64, twice: u64) -> [String; 3] {
    let invocations = u64::try_from(INVOCATIONS).unwrap();
    let start = number(float(once.saturating_sub(twice - once) / 1_000) / 1_000.0);
    [name.to_owned(), start, thousands(&((twice - once) / invocations).to_string())]
}

/// The instructions of a process with so many invocations.
async fn instructions(
    bench: &Bench,
    program: &Program,
    count: usize,
    event: impl Fn(usize) -> String,
) -> u64 {
    let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null", program.path.to_str().unwrap()];
    let valgrind =
        Program { variables: program.variables.clone(), ..Program::new("/usr/bin/valgrind", &tool) };
    let mut function = Function::start(&valgrind, &bench.engine()).await;
    for n in 0..count {
        function.invoke(event(n)).await;
    }
    let errors = function.stop().await.errors;
    let line = errors.lines().find_map(|line| line.split_once("Collected : "));
    line.unwrap_or_else(|| panic!("{errors}")).1.trim().parse().unwrap()
}
