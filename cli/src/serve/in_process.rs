//! How the server's own SDK clients reach its services: in this process, without a connection.
//!
//! The clients build, sign, time out and retry a call as they do over a network, and the service answers with the routes
//! that its port serves. A call over the loopback port costs both sides a connection's work for nothing.

use super::faults::{Faults, Service};
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use axum::{BoxError, Router};
use http::Request;
use shared::aws::on_this_machine;
use std::fmt;
use std::sync::{Arc, Weak};
use tower::ServiceExt as _;

/// The URL of every service of this process. Nothing connects to it.
const URL: &str = "http://localhost";

/// How the server's clients reach a service.
#[derive(Clone)]
pub(super) enum Route {
    /// In this process.
    Inside(InProcess),
    /// At this URL, where the fault proxy listens.
    Through(String),
}

/// A service of this process. It answers for as long as its port is served.
#[derive(Clone)]
pub(super) struct InProcess {
    routes: Weak<Router>,
    faults: Faults,
}

/// The service's port is closed.
#[derive(Debug, thiserror::Error)]
#[error("the service has stopped")]
struct Stopped;

impl Route {
    /// The configuration of a client.
    pub(super) fn sdk(&self) -> SdkConfig {
        match self {
            Self::Inside(service) => on_this_machine(URL).into_builder().http_client(service.clone()).build(),
            Self::Through(url) => on_this_machine(url),
        }
    }

    /// The same service, whose calls fail as `faults` says.
    pub(super) fn with_faults(self, faults: &Faults) -> Self {
        match self {
            Self::Inside(service) => Self::Inside(InProcess { faults: faults.clone(), ..service }),
            through @ Self::Through(_) => through,
        }
    }
}

impl InProcess {
    pub(super) fn new(routes: &Arc<Router>) -> Self {
        Self { routes: Arc::downgrade(routes), faults: Faults::off() }
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, BoxError> {
        let routes = self.routes.upgrade().ok_or(Stopped)?;
        let request = request.try_into_http1x()?.map(Body::new);
        let answer = if self.faults.are_off() {
            carry_out(&routes, request).await?
        } else {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await?;
            let (call, service) =
                (self.faults.record(&parts.headers, &body), Service::from_headers(&parts.headers));
            call.carried_out(service, carry_out(&routes, Request::from_parts(parts, body.into()))).await?
        };
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await?;
        Ok(http::Response::from_parts(parts, SdkBody::from(body)).try_into()?)
    }
}

/// In a task of its own, a call that panics is a broken connection to the caller, and one that the caller does not wait for
/// any more runs to its end.
async fn carry_out(routes: &Arc<Router>, request: Request<Body>) -> Result<Response, BoxError> {
    Ok(tokio::spawn(Router::clone(routes).oneshot(request)).await??)
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.clone().answer(request);
        HttpConnectorFuture::new(async { answer.await.map_err(ConnectorError::io) })
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a service of this process")
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::Fault;
    use super::*;
    use axum::extract::State;
    use http::StatusCode;
    use shared::aws::{self, MAX_DYNAMODB_TRIES};
    use std::future::pending;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// How a call to a service with these routes fails.
    async fn failure(routes: &Arc<Router>) -> String {
        let client = aws::dynamodb(&Route::Inside(InProcess::new(routes)).sdk());
        aws::reason(&client.list_tables().send().await.unwrap_err())
    }

    async fn defect(State(tries): State<Arc<AtomicU32>>) -> StatusCode {
        tries.fetch_add(1, Ordering::SeqCst);
        panic!("a defect of the service");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_broken_connection_and_the_call_is_tried_again() {
        let tries = Arc::new(AtomicU32::new(0));
        let routes = Arc::new(Router::new().fallback(defect).with_state(Arc::clone(&tries)));
        assert_eq!(failure(&routes).await, "no connection");
        assert_eq!(tries.load(Ordering::SeqCst), MAX_DYNAMODB_TRIES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_does_not_answer_is_given_up() {
        let routes = Arc::new(Router::new().fallback(pending::<()>));
        assert_eq!(failure(&routes).await, "no answer in time");
    }

    /// The faults that a console turns on.
    #[tokio::test(start_paused = true)]
    async fn calls_fail_as_the_plan_says_and_no_longer() {
        let routes = Arc::new(Router::new().fallback(async || r#"{"TableNames":["latchkey"]}"#));
        let faults = Faults::off();
        let route = Route::Inside(InProcess::new(&routes)).with_faults(&faults);
        let client = aws::dynamodb(&route.sdk());
        assert!(client.list_tables().send().await.is_ok() && faults.calls().is_empty());
        for (fault, reason) in [
            (Fault::Throttle, "ProvisionedThroughputExceededException"),
            (Fault::ServerError, "InternalServerError"),
            (Fault::TimeoutBefore, "no connection"),
            (Fault::TimeoutAfter, "no connection"),
            (Fault::SilenceBefore, "no answer in time"),
            (Fault::SilenceAfter, "no answer in time"),
        ] {
            faults.plan(move |_| Some(fault));
            assert_eq!(aws::reason(&client.list_tables().send().await.unwrap_err()), reason);
            assert!(faults.injected().into_keys().eq([fault]));
        }
        faults.plan_random(0.0, 0);
        assert!(client.list_tables().send().await.is_ok() && faults.calls().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_answers_only_while_its_port_is_served() {
        let routes = Arc::new(Router::new().fallback(async || r#"{"TableNames":["latchkey"]}"#));
        let client = aws::dynamodb(&Route::Inside(InProcess::new(&routes)).sdk());
        assert_eq!(client.list_tables().send().await.unwrap().table_names(), ["latchkey"]);
        drop(routes);
        let refused = client.list_tables().send().await.unwrap_err();
        assert_eq!(aws::reason(&refused), "no connection");
    }
}
