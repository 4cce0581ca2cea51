//! Which requests the local server's listeners accept: none of another web page, and none without the token where there
//! is one.
//!
//! A browser sends requests to any port of this machine for any page it shows. A page of another origin is recognized
//! by its `Origin`; a page whose name was made to resolve to this machine (DNS rebinding) by its `Host`, which is that
//! name. Neither is needed by an SDK. No listener ever sends a CORS header, so no page reads an answer either.

use super::token::Token;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{Request, Uri};
use std::net::IpAddr;

/// What one listener accepts.
#[derive(Clone)]
pub(super) struct Guard {
    /// Whether `Host` may be any IP address, or loopback ones only. An IP address cannot be rebound.
    pub(super) any_address: bool,
    /// The first segment that every path must have.
    pub(super) token: Option<Token>,
}

impl Guard {
    /// Whether to carry a request out. Takes its token away: no service knows of it.
    pub(super) fn admits<B>(&self, request: &mut Request<B>) -> bool {
        let own = host(request).filter(|host| self.is_own(host));
        if !own.is_some_and(|own| comes_from(request, &own)) {
            return false;
        }
        let path = self.without_token(request.uri());
        path.map(|path| *request.uri_mut() = path).is_some()
    }

    /// Whether a request to this host was meant for this server.
    fn is_own(&self, host: &Authority) -> bool {
        let name = host.host();
        match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => self.any_address || address.to_canonical().is_loopback(),
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// The path behind the token, if it is the right one.
    fn without_token(&self, uri: &Uri) -> Option<Uri> {
        let Some(token) = &self.token else { return Some(uri.clone()) };
        let path = uri.path().strip_prefix('/')?;
        let (given, rest) = path.split_once('/').unwrap_or((path, ""));
        let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
        token.is(given).then(|| format!("/{rest}{query}").parse().ok()).flatten()
    }
}

/// The host a request is sent to, if it names exactly one.
fn host<B>(request: &Request<B>) -> Option<Authority> {
    let mut named = request.headers().get_all(HOST).iter();
    let host: Authority = named.next()?.to_str().ok()?.parse().ok()?;
    let one = named.next().is_none() && !host.as_str().contains('@');
    // A request to a proxy names it in its first line, too.
    (one && request.uri().authority().is_none_or(|target| *target == host)).then_some(host)
}

/// Whether a request comes from no page, or from one of this server's own.
fn comes_from<B>(request: &Request<B>, own: &Authority) -> bool {
    let own = format!("http://{own}");
    request
        .headers()
        .get_all(ORIGIN)
        .iter()
        .all(|origin| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: Guard = Guard { any_address: false, token: None };
    const NETWORK: Guard = Guard { any_address: true, token: None };

    fn admitted(guard: &Guard, uri: &str, headers: &[(&str, &str)]) -> Option<String> {
        let request =
            headers.iter().fold(Request::post(uri), |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(()).unwrap();
        guard.admits(&mut request).then(|| request.uri().to_string())
    }

    fn is_admitted(guard: &Guard, host: &str, origin: Option<&str>) -> bool {
        let headers = [Some(("host", host)), origin.map(|origin| ("origin", origin))];
        admitted(guard, "/", &headers.into_iter().flatten().collect::<Vec<_>>()).is_some()
    }

    /// F3
    #[test]
    fn only_a_loopback_name_is_this_server() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8787",
            "127.9.9.9:1",
            "localhost",
            "LocalHost:8787",
            "[::1]:8787",
            "[::1]",
        ] {
            assert!(is_admitted(&LOOPBACK, host, None) && is_admitted(&NETWORK, host, None), "{host}");
        }
        let names = [
            "evil.example",
            "evil.example:8787",
            "localhost.evil.example",
            "a.localhost",
            "127.0.0.1.nip.io",
        ];
        for host in names.into_iter().chain([
            "localhost.",
            "",
            "127.1",
            "user@127.0.0.1",
            "localhost:8787, evil.example",
        ]) {
            assert!(!is_admitted(&LOOPBACK, host, None) && !is_admitted(&NETWORK, host, None), "{host}");
        }
    }

    /// F3, F14: an address cannot be rebound, so on a server for the network any may stand in `Host`.
    #[test]
    fn an_address_of_the_network_is_this_server_only_if_it_listens_there() {
        for host in ["192.0.2.7:8787", "[2001:db8::7]:8787", "0.0.0.0:8787"] {
            assert!(is_admitted(&NETWORK, host, None) && !is_admitted(&LOOPBACK, host, None), "{host}");
        }
    }

    #[test]
    fn a_request_must_name_exactly_one_host() {
        assert!(admitted(&LOOPBACK, "/", &[]).is_none());
        assert!(admitted(&LOOPBACK, "/", &[("host", "localhost"), ("host", "localhost")]).is_none());
        assert!(admitted(&LOOPBACK, "http://evil.example/", &[("host", "localhost")]).is_none());
        assert!(admitted(&LOOPBACK, "http://localhost/", &[("host", "localhost")]).is_some());
    }

    /// F2, F3, F16
    #[test]
    fn only_a_page_of_the_servers_own_origin_may_send_a_request() {
        for (host, origin) in [
            ("127.0.0.1:8787", "http://127.0.0.1:8787"),
            ("localhost:8787", "http://localhost:8787"),
            ("[::1]:8787", "http://[::1]:8787"),
        ] {
            assert!(is_admitted(&LOOPBACK, host, Some(origin)), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://evil.example:8787",
            "http://127.0.0.1",
            "http://127.0.0.1:3000",
            "http://localhost:8787",
            "https://127.0.0.1:8787",
            "http://127.0.0.1:8787/",
            "http://127.0.0.1:87871",
            "file://",
            "chrome-extension://abc",
        ] {
            assert!(!is_admitted(&LOOPBACK, "127.0.0.1:8787", Some(origin)), "{origin}");
        }
        let two = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "https://evil.example")];
        assert!(admitted(&LOOPBACK, "/", &two).is_none());
    }

    /// F7
    #[test]
    fn a_listener_with_a_token_serves_what_is_behind_it_only() {
        let token = Token::random().unwrap();
        let guard = Guard { any_address: false, token: Some(token.clone()) };
        let (host, token) = ([("host", "127.0.0.1:1")], token.expose().to_owned());
        let admitted = |path: &str| admitted(&guard, path, &host);
        assert_eq!(admitted(&format!("/{token}")).as_deref(), Some("/"));
        assert_eq!(admitted(&format!("/{token}/")).as_deref(), Some("/"));
        assert_eq!(admitted(&format!("/{token}/a/b?c=d")).as_deref(), Some("/a/b?c=d"));
        for path in [
            "/",
            "//",
            "/a",
            &format!("/{}", token.get(1..).unwrap()),
            &format!("/{token}a/"),
            &format!("//{token}/"),
        ] {
            assert_eq!(admitted(path), None, "{path}");
        }
    }
}
