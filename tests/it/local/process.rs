//! `latchkey serve` in a process of its own: this test binary, started again to run one test.

use cli::command;
use cli::console::Console;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const ARGUMENTS: &str = "LATCHKEY_TEST_SERVE_ARGUMENTS";

/// How long a server may take to end: less than it gives a client to send its request.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Not a test of its own: the process [`Process`] starts.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how the two processes talk")]
async fn the_server_that_is_started() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let line = format!("serve {arguments}");
    assert_eq!(command::run(crate::cli::words(&line), &mut Console::standard()).await, command::OK);
}

pub(super) struct Process {
    process: Child,
    pub(super) greeting: String,
}

/// What a server that cannot start prints on standard output and on standard error.
pub(super) fn refused(arguments: &str) -> (String, String) {
    let ended = Command::new("timeout")
        .arg(PATIENCE.as_secs().to_string())
        .arg(std::env::current_exe().unwrap())
        .args(["local::process::the_server_that_is_started", "--exact", "--nocapture"])
        .env(ARGUMENTS, arguments)
        .output()
        .unwrap();
    assert!(!ended.status.success());
    (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap())
}

impl Process {
    /// Starts `latchkey serve` with a umask and waits until it serves.
    pub(super) fn start(umask: &str, arguments: &str) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", "umask \"$0\"; exec \"$@\"", umask])
            .arg(std::env::current_exe().unwrap())
            .args(["local::process::the_server_that_is_started", "--exact", "--nocapture"])
            .env(ARGUMENTS, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("totp_user") {
            assert!(stdout.read_line(&mut greeting).unwrap() > 0, "the server ended: {greeting}");
        }
        // It goes on writing there.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { process, greeting }
    }

    pub(super) fn start_in(dir: &Path, umask: &str) -> Self {
        Self::start(umask, &format!("--port 0 --data-dir {}", dir.display()))
    }

    /// The first word after `name` at the beginning of a line of the greeting.
    pub(super) fn greeted(&self, name: &str) -> &str {
        let found =
            self.greeting.split(name).nth(1).unwrap_or_else(|| panic!("no {name}: {}", self.greeting));
        found.split_whitespace().next().unwrap()
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Waits for the process to end; one that does not before its clients have been given up fails the test.
    pub(super) fn ended(&mut self) -> ExitStatus {
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("the server does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
