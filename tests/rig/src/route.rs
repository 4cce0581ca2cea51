//! Which function a request is for, as an HTTP API decides it.

use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// A route of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// `POST /auth/factors/{id}/challenge`, or `$default`, which takes what no other route does.
    pub(crate) key: String,
    /// The function behind it.
    pub(crate) function: String,
}

/// A request's route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) route: &'a Route,
    /// The path as functions are given it.
    pub(crate) path: String,
    /// What stands in the place of the route's variables.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The path as an HTTP API gives it to a function: percent-decoded, `rawPath` for a name. An encoded slash separates from
/// then on, and what follows an encoded question mark is gone. Not documented; seen behind web frameworks.
fn decoded(path: &str) -> String {
    let path = percent_decode_str(path).decode_utf8_lossy();
    path.split('?').next().unwrap_or_default().to_owned()
}

/// The route of a request: the one with the fewest variables that fits, or `$default`.
pub(crate) fn find<'a>(routes: &'a [Route], method: &str, path: &str) -> Option<Found<'a>> {
    let path = decoded(path);
    let fitting = routes.iter().filter_map(|route| Some((route, parameters(route, method, &path)?)));
    let best = fitting.min_by_key(|(_, parameters)| parameters.len());
    let default =
        || routes.iter().find(|route| route.key == "$default").map(|route| (route, BTreeMap::new()));
    let (route, parameters) = best.or_else(default)?;
    Some(Found { route, path, parameters })
}

/// What stands in the place of a route's variables, if it fits.
fn parameters(route: &Route, method: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let pattern = route.key.strip_prefix(method)?.strip_prefix(' ')?;
    let (mut expected, mut given) = (pattern.split('/'), path.split('/'));
    let mut parameters = BTreeMap::new();
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(expected), Some(given)) => {
                match expected.strip_prefix('{').and_then(|e| e.strip_suffix('}')) {
                    Some(name) if !given.is_empty() => {
                        parameters.insert(name.to_owned(), given.to_owned());
                    }
                    None if expected == given => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_without_a_variable_comes_first_and_default_last() {
        let keys = ["GET /factors/{id}", "POST /factors/enroll", "POST /factors/{id}", "$default"];
        let routes = keys.map(|key| Route { key: key.to_owned(), function: String::new() });
        for (method, path, key, id) in [
            ("GET", "/factors/a", "GET /factors/{id}", Some("a")),
            ("GET", "/factors/enroll", "GET /factors/{id}", Some("enroll")),
            ("POST", "/factors/enroll", "POST /factors/enroll", None),
            ("POST", "/factors/a%20b", "POST /factors/{id}", Some("a b")),
            ("POST", "/factors/a%2Fb", "$default", None),
            ("GET", "/factors/a%3Fb", "GET /factors/{id}", Some("a")),
            ("GET", "/factors/", "$default", None),
            ("PUT", "/factors/a", "$default", None),
        ] {
            let found = find(&routes, method, path).unwrap();
            assert_eq!(found.route.key, key, "{method} {path}");
            assert_eq!(found.parameters.get("id").map(String::as_str), id, "{method} {path}");
        }
    }
}
