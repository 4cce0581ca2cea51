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
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

/// The sent messages, oldest first. Stored in a file, so that a code can still be read after a restart.
#[derive(Clone)]
pub struct Outbox {
    messages: Arc<Mutex<Vec<Message>>>,
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
    /// [`ServeError::Data`] if the file cannot be read.
    pub fn open(file: Option<PathBuf>, clock: LocalClock) -> Result<Self, ServeError> {
        let stored = match &file {
            Some(path) if path.exists() => {
                fs::read_to_string(path).map_err(|source| ServeError::Data { path: path.clone(), source })?
            }
            _ => String::new(),
        };
        // A truncated line is a message whose request was never answered, because the process was killed.
        let messages = stored.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Self { messages: Arc::new(Mutex::new(messages)), file, clock })
    }

    /// Every message, newest last.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.lock().clone()
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
        messages.clear();
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
        messages.push(message);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
