//! Access control of the local server's ports: refuses requests from other web pages and, if a port has a token,
//! requests without it.
//!
//! A browser sends requests to any port of this machine on behalf of any page. The `Origin` header identifies pages of
//! another origin, and the `Host` header those whose domain was made to resolve to this machine (DNS rebinding). Some
//! requests have no `Origin`, such as those for images and frames: `Sec-Fetch-Site` identifies these. SDKs are not
//! affected. No port sends CORS headers, so pages cannot read responses either.

use super::token::Token;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Uri};
use std::net::IpAddr;

/// The access rules of one port.
#[derive(Clone)]
pub(super) struct AccessGuard {
    /// Whether `Host` may be any IP address, not only a loopback address. DNS rebinding needs a domain name.
    pub(super) any_address: bool,
    /// The token that must be the first segment of every path.
    pub(super) token: Option<Token>,
}

impl AccessGuard {
    /// Whether to accept a request. Removes the token from its path.
    pub(super) fn admits<B>(&self, request: &mut Request<B>) -> bool {
        let own = host(request).filter(|host| self.is_this_server(host));
        if !own.is_some_and(|own| is_same_origin(request, &own)) || is_from_another_site(request) {
            return false;
        }
        let path = self.without_token(request.uri());
        path.map(|path| *request.uri_mut() = path).is_some()
    }

    /// Whether `host` names this server.
    fn is_this_server(&self, host: &Authority) -> bool {
        let name = host.host();
        match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => self.any_address || address.to_canonical().is_loopback(),
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// The path without the token; `None` if the token is wrong.
    fn without_token(&self, uri: &Uri) -> Option<Uri> {
        let Some(token) = &self.token else { return Some(uri.clone()) };
        let path = uri.path().strip_prefix('/')?;
        let (given, rest) = path.split_once('/').unwrap_or((path, ""));
        let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
        token.matches(given).then(|| format!("/{rest}{query}").parse().ok()).flatten()
    }
}

/// The host of a request, if there is exactly one.
fn host<B>(request: &Request<B>) -> Option<Authority> {
    let mut named = request.headers().get_all(HOST).iter();
    let host: Authority = named.next()?.to_str().ok()?.parse().ok()?;
    let single = named.next().is_none() && !host.as_str().contains('@');
    // An absolute request URI, as sent to a proxy, also contains the host.
    (single && request.uri().authority().is_none_or(|target| *target == host)).then_some(host)
}

/// Whether a request does not come from a page of another origin.
fn is_same_origin<B>(request: &Request<B>, own: &Authority) -> bool {
    let own = format!("http://{own}");
    request
        .headers()
        .get_all(ORIGIN)
        .iter()
        .all(|origin| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
}

/// Whether a page of another origin causes a request (Fetch Metadata). A link that leads here is followed: the page that
/// has the link cannot read where it leads.
fn is_from_another_site<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let from_another_site =
        headers.get_all("sec-fetch-site").iter().any(|site| site != "same-origin" && site != "none");
    let follows_a_link = request.method() == Method::GET
        && has(headers, "sec-fetch-mode", "navigate")
        && has(headers, "sec-fetch-dest", "document");
    from_another_site && !follows_a_link
}

fn has(headers: &HeaderMap, name: &str, value: &str) -> bool {
    headers.get(name).is_some_and(|given| given == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: AccessGuard = AccessGuard { any_address: false, token: None };
    const NETWORK: AccessGuard = AccessGuard { any_address: true, token: None };

    fn admitted(guard: &AccessGuard, uri: &str, headers: &[(&str, &str)]) -> Option<String> {
        let request =
            headers.iter().fold(Request::post(uri), |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(()).unwrap();
        guard.admits(&mut request).then(|| request.uri().to_string())
    }

    fn is_admitted(guard: &AccessGuard, host: &str, origin: Option<&str>) -> bool {
        let headers = [Some(("host", host)), origin.map(|origin| ("origin", origin))];
        admitted(guard, "/", &headers.into_iter().flatten().collect::<Vec<_>>()).is_some()
    }

    /// F3
    #[test]
    fn only_loopback_names_are_accepted_as_host() {
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

    /// F3, F14: DNS rebinding needs a domain name, so a server that listens on the network accepts any IP address as
    /// `Host`.
    #[test]
    fn other_addresses_are_accepted_as_host_only_on_a_network_server() {
        for host in ["192.0.2.7:8787", "[2001:db8::7]:8787", "0.0.0.0:8787"] {
            assert!(is_admitted(&NETWORK, host, None) && !is_admitted(&LOOPBACK, host, None), "{host}");
        }
    }

    #[test]
    fn a_request_must_have_exactly_one_host() {
        assert!(admitted(&LOOPBACK, "/", &[]).is_none());
        assert!(admitted(&LOOPBACK, "/", &[("host", "localhost"), ("host", "localhost")]).is_none());
        assert!(admitted(&LOOPBACK, "http://evil.example/", &[("host", "localhost")]).is_none());
        assert!(admitted(&LOOPBACK, "http://localhost/", &[("host", "localhost")]).is_some());
    }

    /// F2, F3, F16
    #[test]
    fn only_pages_of_the_same_origin_may_send_requests() {
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

    /// F2: what a browser says of requests without an `Origin`.
    #[test]
    fn only_links_may_lead_here_from_pages_of_another_site() {
        let is_admitted = |site: &str, mode: &str, dest: &str| {
            let request = Request::get("/").header("host", "127.0.0.1:8787").header("sec-fetch-site", site);
            let request = request.header("sec-fetch-mode", mode).header("sec-fetch-dest", dest);
            LOOPBACK.admits(&mut request.body(()).unwrap())
        };
        for site in ["same-origin", "none"] {
            assert!(
                is_admitted(site, "navigate", "document") && is_admitted(site, "cors", "empty"),
                "{site}"
            );
        }
        // Another port of this machine is the same site.
        for site in ["cross-site", "same-site"] {
            assert!(is_admitted(site, "navigate", "document"), "{site}");
            for (mode, dest) in [
                ("no-cors", "image"),
                ("no-cors", "script"),
                ("no-cors", "empty"),
                ("cors", "empty"),
                ("navigate", "iframe"),
                ("navigate", "embed"),
            ] {
                assert!(!is_admitted(site, mode, dest), "{site} {mode} {dest}");
            }
        }
    }

    /// F7
    #[test]
    fn a_port_with_a_token_serves_only_paths_that_start_with_it() {
        let token = Token::random().unwrap();
        let guard = AccessGuard { any_address: false, token: Some(token.clone()) };
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
