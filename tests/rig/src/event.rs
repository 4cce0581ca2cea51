//! A request as API Gateway hands it to a function (payload format 2.0), and a function's answer as it hands that back.

use crate::Failure;
use crate::access::ACCOUNT;
use crate::route::Found;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The API's id, which begins its default host name.
const API: &str = "a1b2c3d4e5";
/// The API's default host name.
const DOMAIN: &str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";
/// Headers of one connection only.
const HOP_BY_HOP: [&str; 4] = ["connection", "keep-alive", "transfer-encoding", "cookie"];

/// What the gateway itself knows of a request.
pub(crate) struct Seen {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) source_ip: String,
    pub(crate) at: jiff::Timestamp,
}

/// The event of a request.
pub(crate) fn of(request: &Parts, body: &[u8], found: &Found<'_>, seen: &Seen) -> Value {
    let query = request.uri.query().unwrap_or_default();
    let agent = request.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.route.key,
        "rawPath": found.path,
        "rawQueryString": query,
        "headers": headers(&request.headers, seen),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": DOMAIN,
            "domainPrefix": API,
            "http": {
                "method": request.method.as_str(),
                "path": found.path,
                "protocol": "HTTP/1.1",
                "sourceIp": seen.source_ip,
                "userAgent": agent.unwrap_or_default(),
            },
            "requestId": seen.request_id,
            "routeKey": found.route.key,
            "stage": "$default",
            "time": seen.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": seen.at.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let Some(fields) = event.as_object_mut() else { return event };
    let cookies: Vec<&str> = texts(&request.headers, "cookie").flat_map(|line| line.split("; ")).collect();
    if !cookies.is_empty() {
        fields.insert("cookies".to_owned(), json!(cookies));
    }
    if !query.is_empty() {
        fields.insert("queryStringParameters".to_owned(), json!(decoded(query)));
    }
    if !found.parameters.is_empty() {
        fields.insert("pathParameters".to_owned(), json!(found.parameters));
    }
    if !body.is_empty() {
        let text = std::str::from_utf8(body).ok().filter(|_| is_text(&request.headers));
        fields.insert("isBase64Encoded".to_owned(), json!(text.is_none()));
        let body = text.map_or_else(|| STANDARD.encode(body), str::to_owned);
        fields.insert("body".to_owned(), json!(body));
    }
    event
}

/// Names in lower case, values of one name joined; and what the gateway adds.
fn headers(given: &HeaderMap, seen: &Seen) -> Map<String, Value> {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for name in given.keys().map(http::HeaderName::as_str).filter(|name| !HOP_BY_HOP.contains(name)) {
        headers.insert(name, texts(given, name).collect::<Vec<_>>().join(","));
    }
    let forwarded = headers.get("x-forwarded-for").map(|before| format!("{before}, {}", seen.source_ip));
    headers.insert("x-forwarded-for", forwarded.unwrap_or_else(|| seen.source_ip.clone()));
    headers.insert("x-forwarded-port", "443".to_owned());
    headers.insert("x-forwarded-proto", "https".to_owned());
    headers.insert("host", DOMAIN.to_owned());
    headers.entry("x-amzn-trace-id").or_insert_with(|| seen.trace_id.clone());
    headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn texts<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// The query's fields, those of one name joined.
fn decoded(query: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let [name, value] = [name, value]
            .map(|text| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned());
        fields.entry(name).and_modify(|before| before.extend([",", &value])).or_insert(value);
    }
    fields
}

/// Whether a body of this type goes into the event as it is, if it is UTF-8.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = texts(headers, "content-type").next().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || ["application/json", "application/xml", "application/javascript"].contains(&kind)
        || kind.ends_with("+json")
}

/// The gateway's answer for what a function answered.
///
/// # Errors
///
/// If it is not what a function behind an HTTP API has to answer.
pub(crate) fn answer(answered: &[u8]) -> Result<Response, Failure> {
    let answered: Value = serde_json::from_slice(answered)?;
    let status = answered["statusCode"].as_u64().ok_or("no statusCode")?;
    let mut response = Response::builder().status(StatusCode::from_u16(status.try_into()?)?);
    for (name, value) in answered["headers"].as_object().into_iter().flatten() {
        response = response.header(name, value.as_str().ok_or("a header that is no text")?);
    }
    for cookie in answered["cookies"].as_array().into_iter().flatten() {
        response = response.header(header::SET_COOKIE, cookie.as_str().ok_or("a cookie that is no text")?);
    }
    let body = answered["body"].as_str().unwrap_or_default();
    let encoded = answered["isBase64Encoded"].as_bool().unwrap_or_default();
    let body = if encoded { STANDARD.decode(body)? } else { body.as_bytes().to_vec() };
    Ok(response.body(Body::from(body))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Route, find};
    use std::path::Path;

    /// Made again from the request in them, the examples come out as they are.
    #[test]
    fn the_events_of_the_repository_are_those_of_their_requests() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        let mut made = 0;
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            let text = std::fs::read_to_string(&file).unwrap().replace("{{", "").replace("}}", "");
            let Ok(event) = serde_json::from_str::<Value>(&text) else { continue };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let uri = format!("{}?{}", text(&event["rawPath"]), text(&event["rawQueryString"]));
            let method = text(&event["requestContext"]["http"]["method"]);
            let mut request = http::Request::builder().method(method.as_str()).uri(uri.trim_end_matches('?'));
            for (name, value) in event["headers"].as_object().unwrap() {
                if !name.starts_with("x-forwarded") {
                    request = request.header(name, text(value));
                }
            }
            let body = text(&event["body"]);
            let encoded = event["isBase64Encoded"] == true;
            let body = if encoded { STANDARD.decode(body).unwrap() } else { body.into_bytes() };
            let parts = request.body(()).unwrap().into_parts().0;
            let routes = [Route { key: text(&event["routeKey"]), function: String::new() }];
            let millis = event["requestContext"]["timeEpoch"].as_i64().unwrap();
            let seen = Seen {
                request_id: text(&event["requestContext"]["requestId"]),
                trace_id: String::new(),
                source_ip: text(&event["requestContext"]["http"]["sourceIp"]),
                at: jiff::Timestamp::from_millisecond(millis).unwrap(),
            };
            let found = find(&routes, &method, parts.uri.path()).unwrap();
            let mut again = of(&parts, &body, &found, &seen);
            if encoded {
                // The gateway may send any body so; this one's example is text.
                again["body"] = STANDARD.encode(again["body"].as_str().unwrap()).into();
                again["isBase64Encoded"] = true.into();
            }
            assert_eq!(again, event, "{}", file.display());
            made += 1;
        }
        assert!(made >= 13);
    }

    #[test]
    fn a_body_that_is_no_text_is_base64_and_cookies_have_a_place_of_their_own() {
        let request = http::Request::post("/?a=1&a=2&b=%20+").header("cookie", "x=1; y=2").header("A", "1");
        let parts = request.header("a", "2").body(()).unwrap().into_parts().0;
        let route = Route { key: "$default".to_owned(), function: String::new() };
        let found = Found { route: &route, path: "/".to_owned(), parameters: BTreeMap::new() };
        let (request_id, trace_id, source_ip) = <_>::default();
        let seen = Seen { request_id, trace_id, source_ip, at: jiff::Timestamp::UNIX_EPOCH };
        let event = of(&parts, b"\xff", &found, &seen);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
        assert_eq!((&event["cookies"], event["headers"].get("cookie")), (&json!(["x=1", "y=2"]), None));
        assert_eq!(event["headers"]["a"], "1,2");
        assert_eq!(event["queryStringParameters"], json!({"a": "1,2", "b": "  "}));
        assert!(event.get("pathParameters").is_none());
    }
}
