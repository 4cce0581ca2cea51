//! The outbox: an SNS endpoint that stores published text messages. Supports only `Publish` to a phone number.

use super::private::{append, write_file};
use super::{LocalClock, ServeError};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use shared::ports::Clock as _;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sent messages, oldest first. Stored in a file, so that a code can still be read after a restart.
#[derive(Clone)]
pub struct Outbox {
    /// `None` until somebody asks for them, because the file may be large.
    messages: Arc<Mutex<Option<Vec<Message>>>>,
    file: Option<PathBuf>,
    clock: LocalClock,
}

/// A text message.
#[derive(Clone, Serialize, Deserialize)]
pub struct Message {
    /// The number, in E.164.
    pub to: String,
    /// The text.
    pub message: String,
    /// When it was sent.
    pub sent_at: String,
    /// The message attributes.
    #[serde(skip)]
    pub attributes: BTreeMap<String, String>,
}

impl Outbox {
    /// Opens the outbox with the messages in `file`, if there is one.
    ///
    /// # Errors
    ///
    /// [`ServeError::Data`] if the file cannot be used.
    pub fn open(file: Option<PathBuf>, clock: LocalClock) -> Result<Self, ServeError> {
        let messages = if let Some(path) = &file {
            end_last_line(path).map_err(|source| ServeError::Data { path: path.clone(), source })?;
            None
        } else {
            Some(Vec::new())
        };
        Ok(Self { messages: Arc::new(Mutex::new(messages)), file, clock })
    }

    /// Every message, newest last.
    ///
    /// # Errors
    ///
    /// [`ServeError::Data`] if the file cannot be read.
    pub fn messages(&self) -> Result<Vec<Message>, ServeError> {
        let mut messages = self.lock();
        if messages.is_none() {
            *messages = Some(self.file.as_deref().map(read).transpose()?.unwrap_or_default());
        }
        Ok(messages.clone().unwrap_or_default())
    }

    /// Deletes all messages.
    ///
    /// # Errors
    ///
    /// [`ServeError::Data`] if the file cannot be written.
    pub fn clear(&self) -> Result<(), ServeError> {
        let mut messages = self.lock();
        if let Some(file) = &self.file {
            write_file(file, b"")?;
        }
        *messages = Some(Vec::new());
        Ok(())
    }

    /// Adds the message of a `Publish` request, a form of SNS's query protocol. Returns whether it is one, to a phone number.
    ///
    /// # Errors
    ///
    /// If the message cannot be written to the file.
    pub fn publish(&self, form: &[u8]) -> io::Result<bool> {
        let fields: BTreeMap<String, String> = serde_urlencoded::from_bytes(form).unwrap_or_default();
        let field = |name: &str| fields.get(name).cloned();
        let (Some("Publish"), Some(to), Some(message)) =
            (fields.get("Action").map(String::as_str), field("PhoneNumber"), field("Message"))
        else {
            return Ok(false);
        };
        let attributes = (1..)
            .map_while(|n| {
                let entry = format!("MessageAttributes.entry.{n}");
                Some((field(&format!("{entry}.Name"))?, field(&format!("{entry}.Value.StringValue"))?))
            })
            .collect();
        let sent_at = self.clock.now().to_string();
        self.add(Message { to, message, sent_at, attributes })?;
        Ok(true)
    }

    fn add(&self, message: Message) -> io::Result<()> {
        let mut messages = self.lock();
        if let Some(file) = &self.file {
            let line = serde_json::to_string(&message)?;
            writeln!(append(file)?, "{line}")?;
        }
        if let Some(messages) = messages.as_mut() {
            messages.push(message);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Message>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages in a file, if there is one.
fn read(path: &Path) -> Result<Vec<Message>, ServeError> {
    let stored = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        stored => stored.map_err(|source| ServeError::Data { path: path.to_owned(), source })?,
    };
    // A truncated line is a message whose request was never answered, because the process was killed.
    Ok(stored.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Ends the last line of a file that a killed process was writing, so that the next message begins a line.
fn end_last_line(path: &Path) -> io::Result<()> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == [b'\n'] { Ok(()) } else { append(path)?.write_all(b"\n") }
}

/// The SNS endpoint.
pub(super) fn router(outbox: Outbox) -> Router {
    Router::new().route("/", post(publish)).with_state(outbox)
}

async fn publish(State(outbox): State<Outbox>, body: Bytes) -> Response {
    match outbox.publish(&body) {
        Ok(true) => xml(http::StatusCode::OK, "<PublishResponse><PublishResult><MessageId>00000000-0000-0000-0000-000000000000</MessageId></PublishResult></PublishResponse>".to_owned()),
        Ok(false) => failure("InvalidAction", "The outbox supports only Publish with PhoneNumber and Message."),
        Err(error) => failure("InternalError", &error.to_string()),
    }
}

fn failure(code: &str, message: &str) -> Response {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    xml(http::StatusCode::BAD_REQUEST, body)
}

fn xml(status: http::StatusCode, body: String) -> Response {
    (status, [(http::header::CONTENT_TYPE, "text/xml")], body).into_response()
}
