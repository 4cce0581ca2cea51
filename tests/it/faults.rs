//! Writes whose fate is unknown: applied without an answer, or lost on the way.

use crate::app::App;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use shared::aws;
use shared::core::Core;
use shared::http::{app as application, verify};
use shared::ports::OsEntropy;
use shared::store::Store;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

/// What happens to an `UpdateItem` on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It arrives, and so does its answer.
    None,
    /// It never arrives; the client hears a 500.
    Lost,
    /// It is applied; the client hears a 500.
    AppliedUnheard,
}

/// A proxy in front of the engine that plays a list of faults, one an `UpdateItem`.
#[derive(Clone)]
struct Proxy {
    engine: String,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    updates: Arc<Mutex<Vec<Fault>>>,
}

impl Proxy {
    async fn in_front_of(engine: &str, faults: &[Fault]) -> (Self, String) {
        let proxy = Self {
            engine: engine.to_owned(),
            faults: Arc::new(Mutex::new(faults.iter().copied().collect())),
            updates: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(forward).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (proxy, url)
    }

    fn next_fault(&self, headers: &HeaderMap) -> Fault {
        if !headers["x-amz-target"].to_str().unwrap().ends_with("UpdateItem") {
            return Fault::None;
        }
        let fault = self.faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
        self.updates.lock().unwrap().push(fault);
        fault
    }
}

async fn forward(State(proxy): State<Proxy>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = proxy.next_fault(&headers);
    if fault == Fault::Lost {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let answer = crate::app::client().post(&proxy.engine).headers(headers).body(body).send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    if fault == Fault::AppliedUnheard {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    (status, headers, body).into_response()
}

/// The verify function of `app`, with `url` for its table.
fn verify_through(app: &App, url: &str) -> Router {
    let local = &app.local;
    let store = Store::new(aws::dynamodb(&cli::serve::sdk(url)), cli::serve::TABLE.to_owned());
    let policy = (*local.core.policy).clone();
    let clock = Arc::new(local.clock.clone());
    let core = Core::new(store, local.core.seal.clone(), policy, clock, Arc::new(OsEntropy));
    application(core.clone(), verify::router(core))
}

async fn verify(app: &App, routes: Router, challenge: &str, code: &str) -> (u16, Option<bool>) {
    let request = http::Request::post(format!("/auth/challenges/{challenge}/verify"))
        .header("authorization", format!("Bearer {}", app.local.api_key.expose()))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(format!(r#"{{"code":"{code}"}}"#)))
        .unwrap();
    let response = routes.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 65_536).await.unwrap();
    (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap()["valid"].as_bool())
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_02_a_write_that_was_not_heard_of_counts_once() {
    use Fault::{AppliedUnheard, Lost};
    let app = App::start().await;
    // The client tries three times; after that the store itself looks what became of the write.
    for faults in [
        vec![AppliedUnheard],
        vec![Lost],
        vec![AppliedUnheard, Lost],
        vec![Lost, AppliedUnheard],
        vec![AppliedUnheard; 3],
        vec![AppliedUnheard, Lost, Lost],
        vec![Lost, Lost, AppliedUnheard],
    ] {
        let totp = app.enroll_totp().await;
        let challenge = app.challenge(&totp.id).await;
        let (proxy, url) = Proxy::in_front_of(&app.local.dynamodb_url, &faults).await;
        let routes = verify_through(&app, &url);
        let code = app.code_of(&totp, 0);
        assert_eq!(verify(&app, routes.clone(), &challenge, &code).await, (201, Some(true)), "{faults:?}");
        assert_eq!(verify(&app, routes, &challenge, &code).await, (422, None), "{faults:?}: spent once");
        assert!(proxy.updates.lock().unwrap().len() >= faults.len(), "{faults:?} were played");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_a_table_that_cannot_be_written_gives_503_and_no_verdict() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let challenge = app.challenge(&totp.id).await;
    let (_, url) = Proxy::in_front_of(&app.local.dynamodb_url, &[Fault::Lost; 6]).await;
    let routes = verify_through(&app, &url);
    for code in [app.code_of(&totp, 0), app.wrong_code(&totp)] {
        assert_eq!(verify(&app, routes.clone(), &challenge, &code).await, (503, None));
    }
    assert!(app.is_valid(&challenge, &app.code_of(&totp, 0)).await, "no attempt was spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn flt_01_a_table_that_cannot_be_reached_gives_503_everywhere() {
    let app = App::start().await;
    let routes = verify_through(&app, "http://127.0.0.1:1");
    let answer = verify(&app, routes, "auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ", "123456").await;
    assert_eq!(answer, (503, None));
}
