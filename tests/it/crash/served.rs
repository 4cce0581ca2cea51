//! A server in a process of its own, to kill: this test binary, started again to run one test.

use cli::serve::faults::{Fault, Faults};
use cli::serve::{self, Options};
use serde_json::{Value, json};
use shared::config::Settings;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const DATA_DIR: &str = "LATCHKEY_TEST_SERVED_DIR";
const SILENT_CALL: &str = "LATCHKEY_TEST_SILENT_CALL";

/// Not a test of its own: the process [`Served`] starts, and kills.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "how the two processes talk")]
async fn the_server_that_is_killed() {
    let Ok(dir) = std::env::var(DATA_DIR) else { return };
    let settings = Settings::from_env_for_local().unwrap();
    let (data_dir, faults) = (Some(dir.into()), Some(Faults::planned(|_| None)));
    let options = Options { data_dir, faults, ..Options::in_memory(settings) };
    let local = serve::start(options).await.unwrap();
    println!("\nserving {} {}", local.url, local.api_key.expose());
    if let Ok(call) = std::env::var(SILENT_CALL) {
        let (number, moment) = call.split_once(' ').unwrap();
        let (number, fault): (usize, _) = (
            number.parse().unwrap(),
            if moment == "before" { Fault::SilenceBefore } else { Fault::SilenceAfter },
        );
        local.faults.as_ref().unwrap().plan(move |call| {
            (call.number == number).then(|| {
                println!("silent");
                fault
            })
        });
        println!("planned");
    }
    std::future::pending::<()>().await;
}

pub(super) struct Served {
    pub(super) process: Child,
    pub(super) key: String,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl Served {
    pub(super) fn start(dir: &Path) -> Self {
        Self::start_with(dir, None)
    }

    /// A server one of whose calls, counted from now on, never ends: it is not carried out, or its answer never comes.
    pub(super) fn start_silent_at(dir: &Path, call: usize, moment: &str) -> Self {
        let mut served = Self::start_with(dir, Some(format!("{call} {moment}")));
        served.read_until("planned");
        served
    }

    fn start_with(dir: &Path, silent: Option<String>) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["crash::served::the_server_that_is_killed", "--exact", "--nocapture"])
            .env(DATA_DIR, dir)
            .envs(silent.map(|call| (SILENT_CALL, call)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut served = Self { process, key: String::new(), stdout, url: String::new() };
        let line = served.read_until("serving ");
        let words: Vec<&str> = line.split_whitespace().collect();
        (served.url, served.key) = (words[1].to_owned(), words[2].to_owned());
        served
    }

    /// Waits for the call that never ends, if the server comes to make it.
    pub(super) fn wait_for_silence(&mut self) {
        self.read_until("silent");
    }

    fn read_until(&mut self, start: &str) -> String {
        let mut line = String::new();
        while !line.starts_with(start) {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the server ended before it said {start}");
        }
        line
    }

    pub(super) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        crate::app::client().request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    pub(super) async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let answer = self.request(method, path).json(&body.unwrap_or(json!({}))).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// SIGKILL: no destructor runs, no buffer is flushed.
    pub(super) fn kill_nine(mut self) -> String {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.key
    }
}
