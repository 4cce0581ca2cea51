//! A server in a process of its own: `latchkey serve`, or one of benches/peers.

use crate::bench::{Bench, root};
use crate::emulator::Program;
use crate::process;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a server may take to start, or to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server.
pub struct Server {
    process: Child,
    pub url: String,
}

impl Server {
    /// Starts it and waits until it prints its URL.
    pub async fn start(program: &Program) -> Self {
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let log = root().join("target/bench/server.log");
        command.stderr(File::create(&log).unwrap());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("it ended: {}", fs::read_to_string(&log).unwrap()));
                if let Some((_, rest)) = line.split_once("http://") {
                    break format!("http://{}", rest.trim());
                }
            }
        });
        let url = url.await.expect("it starts");
        // What it prints later is read, or it would wait for that.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, url }
    }

    /// The time it has used of the processor so far.
    pub fn processor_time(&self) -> Duration {
        process::processor_time(self.id())
    }

    pub fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    pub async fn stop(mut self) {
        let pid = Pid::from_raw(self.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        tokio::time::timeout(PATIENCE, self.process.wait()).await.expect("it ends").unwrap();
    }
}

/// `latchkey serve` on a data directory.
pub fn latchkey(bench: &Bench, dir: &Path) -> Program {
    Program::new(&bench.latchkey, &["serve", "--port", "0", "--data-dir", dir.to_str().unwrap()])
}

/// The API key that it has made.
pub fn api_key(dir: &Path) -> String {
    fs::read_to_string(dir.join("api-key")).unwrap().trim().to_owned()
}

/// The URL of its DynamoDB endpoint.
pub fn dynamodb_url(dir: &Path) -> String {
    let endpoints: Value = serde_json::from_slice(&fs::read(dir.join("running.json")).unwrap()).unwrap();
    endpoints["dynamodb"].as_str().unwrap().to_owned()
}
