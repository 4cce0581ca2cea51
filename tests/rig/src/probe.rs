//! What no SDK brings about: every event of `events/`, a message that SNS refuses, a user whose name a path decoded twice
//! would change, forged API keys, and events that are no request.

use crate::lambda::{Lambda, Outcome};
use crate::report::Seen;
use crate::{Failure, Rig};
use cli::serve::faults::Fault;
use http::Method;
use serde_json::{Value, json};
use shared::domain::api_key::ApiKey;
use shared::domain::environment::Tag;
use shared::ports::{Entropy as _, OsEntropy};
use tests::client::Client;
use tests::events::{Target, replay};

/// A number of no suite: a number is sent one message at a time.
const PHONE: &str = "+15005550008";

/// What the functions' code answers to every event, as `tests/it/events.rs` found it.
const ANSWERS: &str = include_str!("../../it/snapshots/it__events__answers.snap");

/// Asks for what no SDK does. Afterwards no call fails.
pub(crate) async fn run(rig: &Rig) -> Result<(), Failure> {
    rig.faults.plan(|_| None);
    events(rig).await?;
    hostile(&rig.seen).await?;
    forged(&rig.url).await?;
    let client = Client::new(&rig.url, &rig.api_key);
    let post = async |path: &str, body: Value| client.authorized(Method::POST, path).json(&body).send().await;
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
    rig.faults.plan(|call| (call.operation == "Publish").then_some(Fault::Throttle));
    let refused = post(&format!("/auth/factors/{factor}/challenge"), json!({})).await?.status();
    rig.faults.plan(|_| None);
    if refused == 503 {
        Ok(())
    } else {
        Err(format!("a message that SNS refuses is answered {refused}").into())
    }
}

/// Sends every event of `events/` to its function.
#[expect(clippy::print_stdout, reason = "this is a part of the rig's report")]
async fn events(rig: &Rig) -> Result<(), Failure> {
    let invoked = async |function: &str, event| {
        let seen = rig.seen.iter().find(|seen| seen.lambda.function.name == function);
        invoke(&seen.ok_or("no such function")?.lambda, event).await
    };
    let target = Target { key: &rig.api_key, clock: &rig.clock, outbox: &rig.outbox };
    let transcript = replay(target, async |function, event| {
        invoked(function, event).await.unwrap_or_else(|error| error.to_string().into())
    })
    .await;
    let expected = ANSWERS.splitn(3, "---\n").nth(2).ok_or("no answers")?;
    let mut pairs = transcript.lines().zip(expected.lines());
    if let Some((answer, expected)) = pairs.find(|(answer, expected)| answer != expected) {
        return Err(format!("an event is answered\n  {answer}\nnot\n  {expected}").into());
    }
    if transcript.lines().count() != expected.lines().count() {
        return Err("another number of events is answered than expected".into());
    }
    println!("\nevents: {} answers as expected", transcript.lines().count());
    Ok(())
}

/// A function's answer to an event.
async fn invoke(lambda: &Lambda, event: String) -> Result<Value, Failure> {
    match lambda.invoke("probe".to_owned(), String::new(), event).await {
        Outcome::Answered(answer) => Ok(serde_json::from_slice(&answer)?),
        _ => Err(format!("{} does not answer", lambda.function.name).into()),
    }
}

/// Sends each function events that are no request.
async fn hostile(seen: &[Seen]) -> Result<(), Failure> {
    for Seen { lambda, .. } in seen {
        for event in hostile_events() {
            let answer = invoke(lambda, event.to_string()).await?;
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
            let code = body["code"].as_str().unwrap_or_default();
            if !["malformed_request", "unauthorized", "route_not_found", "method_not_allowed"].contains(&code)
            {
                return Err(format!("{} answers {event} with {answer}", lambda.function.name).into());
            }
        }
    }
    Ok(())
}

/// Sends forged keys, of environments that do not exist, to every instance of every function: only they, and a start of
/// `factors`, make the functions read the list of environments.
async fn forged(url: &str) -> Result<(), Failure> {
    for _ in 0..4 {
        for (method, path) in [
            (Method::POST, "enroll"),
            (Method::POST, "challenge"),
            (Method::POST, "verify"),
            (Method::GET, "x"),
        ] {
            let key = ApiKey::random(&Tag::parse("no-such-environment")?, &mut OsEntropy.rng()?);
            let request = Client::new(url, key.expose()).authorized(method, &format!("/auth/factors/{path}"));
            let status = request.send().await?.status();
            if status != 401 {
                return Err(format!("a forged key is answered {status} at {path}").into());
            }
        }
    }
    Ok(())
}

/// Events that are no request. A function must answer them all the same.
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
