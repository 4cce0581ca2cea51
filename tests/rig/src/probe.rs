//! What no SDK brings about: a message that SNS refuses, a user whose name a path decoded twice would change, forged API
//! keys, and events that no request fits.

use crate::Failure;
use crate::lambda::Outcome;
use crate::report::Seen;
use cli::serve::faults::{Fault, Faults};
use serde_json::{Value, json};
use shared::domain::api_key::ApiKey;
use shared::domain::environment::Tag;
use shared::ports::{Entropy as _, OsEntropy};

/// A number of no suite: a number is sent one message at a time.
const PHONE: &str = "+15005550008";

/// Asks for what no SDK does. Afterwards nothing fails.
pub(crate) async fn run(url: &str, api_key: &str, faults: &Faults, seen: &[Seen]) -> Result<(), Failure> {
    forged(url).await?;
    for Seen { lambda, .. } in seen {
        for event in hostile_events() {
            let answer = lambda.invoke("probe".to_owned(), String::new(), event.to_string()).await;
            let Outcome::Answered(answer) = answer else {
                return Err(format!("{} does not answer {event}", lambda.function.name).into());
            };
            let answer: Value = serde_json::from_slice(&answer)?;
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
            let code = body["code"].as_str().unwrap_or_default();
            if !["malformed_request", "unauthorized", "route_not_found", "method_not_allowed"].contains(&code)
            {
                return Err(format!("{} answers {event} with {answer}", lambda.function.name).into());
            }
        }
    }
    let client = reqwest::Client::builder().no_proxy().build()?;
    let post = async |path: &str, body: Value| {
        client.post(format!("{url}{path}")).bearer_auth(api_key).json(&body).send().await
    };
    let enrolled = post("/user_management/users/a%2541/auth_factors", json!({"type": "totp"})).await?;
    let enrolled: Value = enrolled.error_for_status()?.json().await?;
    let user = &enrolled["authentication_factor"]["user_id"];
    if user != "a%41" {
        return Err(format!("a user called a%41 is taken for {user}").into());
    }
    let factor = post("/auth/factors/enroll", json!({"type": "sms", "phone_number": PHONE})).await?;
    let factor: Value = factor.error_for_status()?.json().await?;
    let factor = factor["id"].as_str().ok_or("a factor without an id")?;
    // What SNS refuses is withdrawn.
    faults.plan(|call| (call.operation == "Publish").then_some(Fault::Throttle));
    let refused = post(&format!("/auth/factors/{factor}/challenge"), json!({})).await?.status();
    faults.plan(|_| None);
    if refused == 503 {
        Ok(())
    } else {
        Err(format!("a message that SNS refuses is answered {refused}").into())
    }
}

/// Keys of environments that do not exist, for every instance of every function: only they bring the functions to read
/// the list of environments.
async fn forged(url: &str) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    for _ in 0..4 {
        for path in ["enroll", "challenge", "verify", "x"] {
            let key = ApiKey::random(&Tag::parse("no-such-environment")?, &mut OsEntropy.rng()?);
            let url = format!("{url}/auth/factors/{path}");
            let request = if path == "x" { client.get(url) } else { client.post(url) };
            let status = request.bearer_auth(key.expose()).send().await?.status();
            if status != 401 {
                return Err(format!("a forged key is answered {status} at {path}").into());
            }
        }
    }
    Ok(())
}

/// Events that a function must answer itself, however little a request they are.
fn hostile_events() -> Vec<Value> {
    let event = |query: &str, headers: Value| {
        json!({
            "version": "2.0",
            "rawPath": "/auth/factors",
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {"http": {"method": "GET"}},
        })
    };
    let queries = ["a=\"", "a=<", "a=>", "a= ", "a=\u{1}", "a=%", "#"].map(|query| event(query, json!({})));
    let headers = [
        json!({"x-forwarded-proto": "https,https"}),
        json!({"x-forwarded-proto": ""}),
        json!({"x-forwarded-proto": ":"}),
        json!({"x-forwarded-proto": "1"}),
        json!({"host": "a b"}),
        json!({"host": "x:99999"}),
        json!({"host": "%"}),
        json!({"host": "["}),
        json!({"x-note": "a\r\nb: c"}),
        json!({"x note": "a"}),
        json!(null),
    ];
    let headers = headers.map(|headers| event("", headers));
    let others = [json!(null), json!({}), json!({"Records": []}), json!("\u{0}")];
    queries.into_iter().chain(headers).chain(others).collect()
}
