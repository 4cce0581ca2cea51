//! A server in a process of its own, to kill: this test binary, started again to run one test.

use crate::app::try_send;
use cli::serve::faults::{Fault, Faults};
use cli::serve::{self, Options};
use serde_json::{Value, json};
use shared::config::Settings;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use tests::client::Client;

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
    pub(super) client: Client,
    stdout: BufReader<ChildStdout>,
}

impl Served {
    pub(super) fn start(dir: &Path) -> Self {
        Self::start_with(dir, None)
    }

    /// A server one of whose calls, counted from now on, never ends: it is not carried out, or its answer never comes.
    pub(super) fn start_silent_at(dir: &Path, call: usize, moment: &str) -> Self {
        let mut served = Self::start_with(dir, Some(format!("{call} {moment}")));
        read_until(&mut served.stdout, "planned");
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
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let line = read_until(&mut stdout, "serving ");
        let words: Vec<&str> = line.split_whitespace().collect();
        Self { process, key: words[2].to_owned(), client: Client::new(words[1], words[2]), stdout }
    }

    /// Waits for the call that never ends, if the server comes to make it.
    pub(super) fn wait_for_silence(&mut self) {
        read_until(&mut self.stdout, "silent");
    }

    pub(super) async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let request = self.client.authorized(method, path);
        let answer = try_send(request.json(&body.unwrap_or(json!({})))).await?;
        Ok((answer.status, answer.json()))
    }

    /// SIGKILL: no destructor runs, no buffer is flushed.
    pub(super) fn kill_nine(mut self) -> String {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.key
    }
}

/// The next line of the process's output that starts like this.
fn read_until(stdout: &mut BufReader<ChildStdout>, start: &str) -> String {
    let mut line = String::new();
    while !line.starts_with(start) {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "the server ended before it said {start}");
    }
    line
}
