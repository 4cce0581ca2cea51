//! The accept loop that serves all ports of the local server.
//!
//! Every port has an access guard (`guard.rs`) and buffers request bodies. Timeouts limit slow clients and the
//! shutdown.

use super::ServeError;
use super::guard::AccessGuard;
use super::token::Token;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::Response;
use axum::serve::Listener as AxumListener;
use axum::{BoxError, Router};
use http::Request;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::{Service, ServiceExt as _};

/// Timeout for the head of a request, and for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum size of a request body: DynamoDB's limit. The API's own limit is lower.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How long requests in progress may take when the server stops.
pub(super) const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// An open port that is not served yet.
pub struct Listener {
    socket: TcpListener,
    guard: AccessGuard,
    url: String,
}

impl Listener {
    /// Opens a loopback port, which requires the token if there is one.
    ///
    /// # Errors
    ///
    /// [`ServeError::Listen`] if the port is in use.
    pub async fn loopback(port: u16, token: Option<Token>) -> Result<Self, ServeError> {
        Self::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), token).await
    }

    pub(super) async fn bind(at: SocketAddr, token: Option<Token>) -> Result<Self, ServeError> {
        let failed = |error| ServeError::Listen(at, error);
        let socket = TcpListener::bind(at).await.map_err(failed)?;
        let mut bound = socket.local_addr().map_err(failed)?;
        if bound.ip().is_unspecified() {
            bound.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let path = token.as_ref().map_or_else(String::new, |token| format!("/{}", token.expose()));
        let guard = AccessGuard { any_address: !at.ip().is_loopback(), token };
        Ok(Self { socket, guard, url: format!("http://{bound}{path}") })
    }

    /// The URL of the port on this machine, including the token if there is one.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves accepted requests with `service` and refused ones with `refusals`, until `stopped` resolves. An error of
    /// `service` breaks the connection.
    pub async fn serve<S>(mut self, service: S, refusals: Router, stopped: impl Future<Output = ()>)
    where
        S: Service<Request<Body>, Response = Response> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        let (graceful, mut connections, mut stopped) =
            (GracefulShutdown::new(), JoinSet::new(), pin!(stopped));
        loop {
            let (stream, _) = tokio::select! {
                () = &mut stopped => break,
                Some(_) = connections.join_next() => continue,
                accepted = AxumListener::accept(&mut self.socket) => accepted,
            };
            // Otherwise the last packet of a response may wait for the acknowledgement of the previous one.
            let _ = stream.set_nodelay(true);
            let served = (self.guard.clone(), service.clone(), refusals.clone());
            let answer = service_fn(move |request: Request<Incoming>| {
                let (guard, service, refusals) = served.clone();
                async move {
                    let mut request = request.map(Body::new);
                    if guard.admits(&mut request) {
                        service.oneshot(buffered(request).await).await.map_err(Into::into)
                    } else {
                        refusals.oneshot(request).await.map_err(BoxError::from)
                    }
                }
            });
            connections.spawn(graceful.watch(http.serve_connection(TokioIo::new(stream), answer)));
        }
        drop(self.socket);
        // Connections that take longer are closed, because a client may never finish its request.
        let _ = timeout(SHUTDOWN_GRACE, graceful.shutdown()).await;
    }
}

/// Buffers the body, as API Gateway does. Otherwise an early error response could be lost, because closing a connection
/// with unread data resets it. A body that cannot be read fails where the handler reads it.
async fn buffered(request: Request<Body>) -> Request<Body> {
    let (parts, body) = request.into_parts();
    let body = match timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => bytes.into(),
        Ok(Err(error)) => Body::new(FailedBody(Some(error.into_inner()))),
        Err(late) => Body::new(FailedBody(Some(late.into()))),
    };
    Request::from_parts(parts, body)
}

/// A body that returns an error.
struct FailedBody(Option<BoxError>);

impl HttpBody for FailedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::future::pending;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    /// F18: with paused time, the timeouts elapse at once.
    #[tokio::test(start_paused = true)]
    async fn a_connection_with_an_incomplete_request_is_closed() {
        let listener = Listener::loopback(0, None).await.unwrap();
        let address = listener.url().strip_prefix("http://").unwrap().to_owned();
        let routes = Router::new().route("/", get(async |_: Bytes| "read"));
        tokio::spawn(listener.serve(routes, Router::new(), pending()));
        for (sent, status) in [
            ("", ""),
            ("GET / HT", ""),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", ""),
            (
                "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{",
                "HTTP/1.1 400 Bad Request\r\n",
            ),
        ] {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(
                answer.starts_with(status) && (answer.is_empty() || !status.is_empty()),
                "{sent}: {answer}"
            );
        }
    }
}
