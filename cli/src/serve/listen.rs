//! How the local server listens: the one loop that all its ports are served by.
//!
//! Whatever is served, its guard (`guard.rs`) stands in front of it, its requests arrive whole, and neither a client that never
//! finishes one nor the server's own end can make anyone wait for long.

use super::ServeError;
use super::guard::Guard;
use super::token::Token;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::Response;
use axum::serve::Listener as Accepting;
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

/// How long a client may take to send the head of its request, and a connection may stay idle: a connection that is never
/// used is one fewer for others.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to send the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What DynamoDB takes in one request; the API takes far less.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How long what is being answered may take when the server stops.
pub(super) const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// A port that is open, and not served yet.
pub struct Listener {
    socket: TcpListener,
    guard: Guard,
    url: String,
}

impl Listener {
    /// A port of this machine's own, and of those who know the token.
    ///
    /// # Errors
    ///
    /// [`ServeError::Listen`] if the port is taken.
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
        let guard = Guard { any_address: !at.ip().is_loopback(), token };
        Ok(Self { socket, guard, url: format!("http://{bound}{path}") })
    }

    /// How this machine reaches it, with the token if there is one.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves `service` until `stopped`, and `refusals` to requests that are not for it. An error of `service` breaks the
    /// connection.
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
                accepted = Accepting::accept(&mut self.socket) => accepted,
            };
            // Without it, the last piece of an answer may wait for the acknowledgement of the piece before.
            let _ = stream.set_nodelay(true);
            let served = (self.guard.clone(), service.clone(), refusals.clone());
            let answer = service_fn(move |request: Request<Incoming>| {
                let (guard, service, refusals) = served.clone();
                async move {
                    let mut request = request.map(Body::new);
                    if guard.admits(&mut request) {
                        service.oneshot(whole(request).await).await.map_err(Into::into)
                    } else {
                        refusals.oneshot(request).await.map_err(BoxError::from)
                    }
                }
            });
            connections.spawn(graceful.watch(http.serve_connection(TokioIo::new(stream), answer)));
        }
        drop(self.socket);
        // What takes longer is cut off: a client may never finish its request.
        let _ = timeout(SHUTDOWN_GRACE, graceful.shutdown()).await;
    }
}

/// A request as API Gateway hands it over: whole, so that a refusal is not lost in the reset of a connection that is
/// still being sent to. A body that does not arrive fails again where it is read.
async fn whole(request: Request<Body>) -> Request<Body> {
    let (parts, body) = request.into_parts();
    let body = match timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => bytes.into(),
        Ok(Err(error)) => Body::new(Failing(Some(error.into_inner()))),
        Err(late) => Body::new(Failing(Some(late.into()))),
    };
    Request::from_parts(parts, body)
}

/// A body that failed.
struct Failing(Option<BoxError>);

impl HttpBody for Failing {
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

    /// F18: time stands still but for what is waited for, so this takes none.
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_sends_no_whole_request_is_closed() {
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
