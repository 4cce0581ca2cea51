//! One process under Lambda's Runtime API (2018-06-01): when it asks for its first event, and what each invocation costs.

#![expect(clippy::disallowed_methods, reason = "this is what measures time")]

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running function.
pub struct Function {
    process: Child,
    events: mpsc::UnboundedSender<String>,
    asked: mpsc::UnboundedReceiver<Instant>,
    answers: mpsc::UnboundedReceiver<Bytes>,
    serving: JoinHandle<()>,
    /// From its start to its first request for an event.
    pub cold: Duration,
}

struct Api {
    asked: mpsc::UnboundedSender<Instant>,
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    answers: mpsc::UnboundedSender<Bytes>,
}

impl Function {
    /// Starts `program` with these variables and waits until it asks for an event.
    pub async fn start(program: &Path, variables: &[(String, String)]) -> Self {
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
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_REGION", "us-east-1")
            .envs(
                ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
                    .map(|name| (name, "local")),
            )
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let began = Instant::now();
        let process = command.spawn().unwrap();
        let first =
            tokio::time::timeout(PATIENCE, asked.recv()).await.expect("it asks for an event").unwrap();
        Self { process, events, asked, answers, serving, cold: first - began }
    }

    /// Invokes it once: its answer. It has asked for the next event when this returns.
    pub async fn invoke(&mut self, event: String) -> Bytes {
        self.events.send(event).unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.answers.recv()).await.expect("an answer").unwrap();
        tokio::time::timeout(PATIENCE, self.asked.recv()).await.expect("it asks again").unwrap();
        answer
    }

    /// The time it has used of the processor so far.
    pub fn processor_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        let of_task = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
        };
        Duration::from_nanos(tasks.map(|task| of_task(task.unwrap())).sum())
    }

    /// The most memory it has held, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Ends it.
    pub async fn stop(mut self) {
        self.process.kill().await.unwrap();
        self.serving.abort();
    }

    fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }
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
