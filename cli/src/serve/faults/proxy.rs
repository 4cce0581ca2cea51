//! The fault proxy: forwards every call unchanged, unless the plan has a fault for it.

use super::super::engine::Endpoints;
use super::super::listen::Listener;
use super::inject::Service;
use super::{Call, Faults};
use axum::body::{Body, to_bytes};
use axum::response::Response;
use axum::{BoxError, Router};
use http::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::sync::Arc;
use tower::service_fn;

/// A callback for every try of every call.
pub type Watch = Arc<dyn Fn(&Call) + Send + Sync>;

/// A proxy in front of the AWS endpoints.
#[derive(Clone)]
pub struct Proxy {
    /// The endpoints that calls are forwarded to.
    pub upstream: Endpoints,
    /// The fault plan.
    pub faults: Faults,
    /// Called for every try of every call, with its fault.
    pub watch: Option<Watch>,
}

impl Proxy {
    /// Serves until `stopped`.
    pub async fn serve(self, listener: Listener, stopped: impl Future<Output = ()>) {
        let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
        let calls = service_fn(move |request| self.clone().answer(client.clone(), request));
        let refusals = Router::new().fallback(async || StatusCode::FORBIDDEN);
        listener.serve(calls, refusals, stopped).await;
    }

    /// Handles one try of a call. An error breaks the connection.
    async fn answer(
        self,
        client: Client<HttpConnector, Body>,
        request: Request<Body>,
    ) -> Result<Response, BoxError> {
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await?;
        let call = self.faults.record(&parts.headers, &body);
        if let Some(watch) = &self.watch {
            watch(&call);
        }
        let service = Service::from_headers(&parts.headers);
        let forwarded = async {
            let to = service.url(&self.upstream);
            parts.uri = format!("{to}{}", parts.uri.path()).parse::<Uri>()?;
            let answer = client.request(Request::from_parts(parts, Body::from(body))).await?;
            Ok(answer.map(Body::new))
        };
        call.carried_out(service, forwarded).await
    }
}
