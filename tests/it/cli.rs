//! The `latchkey` command as an operator types it, on a data directory that a server is running on, or not.

mod damage;
pub(crate) mod doctor;
mod env;
mod export;
mod factors;
mod import;
mod init;
mod keyring;
mod keys;
mod killed;
mod moving;
mod recovery;

use crate::app::App;
use cli::command;
use cli::console::Console;
use serde_json::Value;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// What a command wrote, and the code it ended with.
pub(crate) struct Ended {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A data directory, and the commands that are given on it.
pub(crate) struct Desk {
    dir: TempDir,
}

/// What a console wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Runs a command with a console of its own, whose input is `answer`.
pub(crate) async fn typed(answer: &str, run: impl AsyncFnOnce(&mut Console) -> u8) -> Ended {
    let (out, err) = (Written::default(), Written::default());
    let input = Cursor::new(answer.to_owned());
    let mut console = Console::new(Box::new(out.clone()), Box::new(err.clone()), Box::new(input));
    let code = run(&mut console).await;
    Ended { code, out: out.text(), err: err.text() }
}

/// The words of a command line.
pub(crate) fn words(line: &str) -> impl Iterator<Item = std::ffi::OsString> {
    std::iter::once("latchkey").chain(line.split_whitespace()).map(Into::into).collect::<Vec<_>>().into_iter()
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A server on the data directory.
    pub(crate) async fn serve(&self) -> App {
        App::start_in(Some(self.dir())).await
    }

    /// A command on the data directory.
    pub(crate) async fn type_in(&self, line: &str) -> Ended {
        self.answer(line, "").await
    }

    /// A command that asks something.
    pub(crate) async fn answer(&self, line: &str, answer: &str) -> Ended {
        let dir = self.dir().display().to_string();
        let line = words(line).chain(["--local".into(), dir.into()]);
        typed(answer, async |console| command::run(line, console).await).await
    }

    /// A command that ends with this exit code.
    pub(crate) async fn ended(&self, code: u8, line: &str) -> Ended {
        let ended = self.type_in(line).await;
        assert_eq!(ended.code, code, "{}{}", ended.out, ended.err);
        ended
    }

    /// A command that works: its JSON.
    pub(crate) async fn json(&self, line: &str) -> Value {
        let ended = self.ended(0, &format!("{line} --json")).await;
        serde_json::from_str(&ended.out).unwrap_or(Value::Null)
    }

    /// A command that works: what it says.
    pub(crate) async fn done(&self, line: &str) -> String {
        masked(&self.ended(0, line).await.out, &self.dir())
    }

    /// A command that fails: what it says of that.
    pub(crate) async fn failed(&self, line: &str) -> String {
        masked(&self.ended(1, line).await.err, &self.dir())
    }
}

impl Ended {
    /// Asserts that standard output contains a text.
    pub(crate) fn out_has(&self, text: &str) {
        assert!(self.out.contains(text), "{}", self.out);
    }

    /// Asserts that standard error contains a text.
    pub(crate) fn err_has(&self, text: &str) {
        assert!(self.err.contains(text), "{}", self.err);
    }

    /// The changes that were written down.
    pub(crate) fn changes(&self) -> Vec<Value> {
        self.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// Text without what differs between two runs: ids, keys, times, directories, and the width of columns.
pub(crate) fn masked(text: &str, dir: &Path) -> String {
    let text = text.replace(&dir.display().to_string(), "DIR");
    let in_word = |c: char| c.is_ascii_alphanumeric() || "_-:.".contains(c);
    let text: String = text.split_inclusive(|c| !in_word(c)).map(masked_word).collect();
    let columns = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ")
    };
    text.lines().map(columns).collect::<Vec<_>>().join("\n")
}

/// A word without its random part, with what ends it.
fn masked_word(piece: &str) -> String {
    let word = piece.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let rest = &piece[word.len()..];
    if word.len() == 24 && word.ends_with('Z') && word.contains('T') {
        return format!("TIME{rest}");
    }
    match word.rsplit_once('_') {
        Some((kind, random)) if random.len() == 26 || kind.starts_with("sk_") => format!("{kind}_…{rest}"),
        _ => piece.to_owned(),
    }
}
