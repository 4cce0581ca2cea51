//! What Latchkey costs on this machine, beside what people would use instead: `benches/run` prints every table in one run.
//!
//! Times are medians with the 5th and 95th percentile, and mean something only beside others of the same run. The short form
//! looks at what does not depend on the machine, and fails if that is more than it should be: calls, capacity units, bytes.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool that measures, and fails if something goes wrong"
)]
#![expect(unreachable_pub, reason = "a program has no public interface")]

mod alone;
mod bench;
mod callgrind;
mod client;
mod cost;
mod docs;
mod emulator;
mod functions;

mod growth;
mod local;
mod meter;
mod plot;
mod prices;
mod process;
mod qr;
mod quota;
mod server;
mod table;
mod template;

use bench::Bench;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use table::Section;

#[derive(Parser)]
struct Arguments {
    /// Directory of the functions' binaries, as FUNCTION/bootstrap
    #[arg(long)]
    functions: PathBuf,
    /// The `latchkey` command
    #[arg(long)]
    latchkey: PathBuf,
    /// Count only, as CI does: calls, capacity units, bytes. With `--only growth`, up to ten thousand factors
    #[arg(long)]
    short: bool,
    /// The parts to run
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Replace the results in docs/PERFORMANCE.md and its plots
    #[arg(long)]
    write_docs: bool,
}

/// A part of the bench: a file of this crate, and a section of docs/PERFORMANCE.md.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    Cost,
    Functions,
    Alone,
    Qr,
    Callgrind,
    Quota,
    Local,
    Growth,
}

impl Part {
    async fn run(self, bench: &Bench) -> Section {
        match self {
            Self::Cost => cost::section(bench).await,
            Self::Functions => functions::section(bench).await,
            Self::Alone => alone::section(),
            Self::Qr => qr::section(),
            Self::Callgrind => callgrind::section(bench).await,
            Self::Quota => quota::section(bench).await,
            Self::Local => local::section(bench).await,
            Self::Growth => growth::section(bench).await,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let parts = match (arguments.only.is_empty(), arguments.short) {
        (false, _) => arguments.only,
        (true, true) => vec![Part::Cost],
        (true, false) => Part::value_variants().to_vec(),
    };
    let bench = Bench::start(arguments.functions, arguments.latchkey, arguments.short).await;
    let mut sections = vec![Bench::machine()];
    println!("{}\n", sections[0].text);
    for part in parts {
        let section = part.run(&bench).await;
        println!("{}\n", section.text);
        sections.push(section);
    }
    bench.local.stop().await;
    if arguments.write_docs {
        docs::write(&sections);
    }
    let exceeded: Vec<String> = sections.into_iter().flat_map(|section| section.exceeded).collect();
    for count in &exceeded {
        println!("more than it should be: {count}");
    }
    ExitCode::from(u8::from(!exceeded.is_empty()))
}
