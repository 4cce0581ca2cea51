//! The `latchkey` command: `serve` runs everything in one process on this machine, the other commands manage a
//! deployment.

use cli::command;
use cli::console::Console;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ExitCode::from(command::run(std::env::args_os(), &mut Console::standard()).await)
}
