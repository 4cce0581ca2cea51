//! One process under Lambda's Runtime API (2018-06-01): when it asks for its first event, and what it answers.

use crate::process;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// How long anything may take here. Under callgrind a program is fifty times slower.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program that runs as a function.
#[derive(Clone)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<String>,
    /// Variables that only it has.
    pub variables: Vec<(&'static str, String)>,
}

impl Program {
    pub fn new(path: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { path: path.into(), arguments, variables: Vec::new() }
    }
}

/// A running function.
pub struct Function {
    process: Child,
    events: mpsc::UnboundedSender<String>,
    asked: mpsc::UnboundedReceiver<Instant>,
    answers: mpsc::UnboundedReceiver<Bytes>,
    serving: JoinHandle<()>,
    written: JoinHandle<Written>,
    /// From its start to its first request for an event.
    pub cold: Duration,
}

/// What a function wrote until it ended.
pub struct Written {
    pub log: String,
    pub errors: String,
}

struct Api {
    asked: mpsc::UnboundedSender<Instant>,
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    answers: mpsc::UnboundedSender<Bytes>,
}

impl Function {
    /// Starts `program` with these variables and waits until it asks for an event.
    pub async fn start(program: &Program, variables: &[(String, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ((events, waiting), (asks, mut asked)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let (gives, answers) = mpsc::unbounded_channel();
        let api = Arc::new(Api { asked: asks, events: Mutex::new(waiting), answers: gives });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(response))
            .with_state(api);
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "latchkey-verify")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .envs(["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| (name, "us-east-1")))
            .envs(
                ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
                    .map(|name| (name, "local")),
            )
            .envs(variables.iter().cloned())
            .envs(program.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let began = Instant::now();
        let mut process = command.spawn().unwrap();
        let (log, errors) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let written = tokio::spawn(async {
            let (log, errors) = tokio::join!(read(log), read(errors));
            Written { log, errors }
        });
        let asks = tokio::time::timeout(PATIENCE, asked.recv());
        let first =
            asks.await.unwrap_or_else(|_| panic!("{} does not ask for an event", program.path.display()));
        let cold = first.unwrap() - began;
        Self { process, events, asked, answers, serving, written, cold }
    }

    /// Invokes it once: the body of its answer. It has asked for the next event when this returns.
    pub async fn invoke(&mut self, event: String) -> Value {
        let answer = self.answer(event).await;
        tokio::time::timeout(PATIENCE, self.asked.recv()).await.expect("it asks again").unwrap();
        body(&answer)
    }

    /// Invokes it once: how long its answer takes.
    pub async fn time(&mut self, event: String) -> Duration {
        let began = Instant::now();
        let answer = self.answer(event).await;
        let time = began.elapsed();
        tokio::time::timeout(PATIENCE, self.asked.recv()).await.expect("it asks again").unwrap();
        body(&answer);
        time
    }

    async fn answer(&mut self, event: String) -> Bytes {
        self.events.send(event).unwrap();
        tokio::time::timeout(PATIENCE, self.answers.recv()).await.expect("an answer").unwrap()
    }

    pub fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// The time it has used of the processor so far.
    pub fn processor_time(&self) -> Duration {
        process::processor_time(self.id())
    }

    /// Ends it as Lambda does, with SIGTERM: what it wrote.
    pub async fn stop(mut self) -> Written {
        let pid = Pid::from_raw(self.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        tokio::time::timeout(PATIENCE, self.process.wait()).await.expect("it ends").unwrap();
        self.serving.abort();
        self.written.await.unwrap()
    }
}

async fn read(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).await.unwrap();
    text
}

/// The body of an answer that API Gateway would take for a success.
fn body(answer: &[u8]) -> Value {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let status = answer["statusCode"].as_u64().unwrap_or_default();
    assert!((200..300).contains(&status), "{answer}");
    answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default()
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    api.asked.send(Instant::now()).unwrap();
    let Some(event) = api.events.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "9999999999999"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench"),
        ("content-type", "application/json"),
    ];
    (headers, event).into_response()
}

async fn response(State(api): State<Arc<Api>>, answer: Bytes) -> StatusCode {
    api.answers.send(answer).unwrap();
    StatusCode::ACCEPTED
}
