//! API keys: who is let in, to what, and until when.

use crate::app::{Answer, App, send};
use crate::contract::ROUTES;
use cli::serve::faults::{Fault, Faults};
use reqwest::Method;
use serde_json::json;
use shared::domain::api_key::ApiKey;
use shared::domain::environment::Tag;
use shared::domain::policy::{API_KEY_CACHE_TTL, MAX_API_KEYS, UNKNOWN_KEY_READ_INTERVAL};
use shared::domain::scope::{Right, Scope};
use shared::operate::ChangeOutcome;
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use std::time::Duration;

const LIST: &str = "/auth/factors?user_id=u";

/// A key with a correct checksum that was never issued.
fn unknown_key() -> String {
    forged_key("local")
}

/// The same, of an environment with this tag.
fn forged_key(tag: &str) -> String {
    ApiKey::random(&Tag::parse(tag).unwrap(), &mut OsEntropy.rng().unwrap()).expose().to_owned()
}

impl App {
    pub(crate) async fn list_with(&self, key: &str) -> Answer {
        send(self.request(Method::GET, LIST).bearer_auth(key)).await
    }

    async fn revoke(&self, key: &str) -> ChangeOutcome {
        let key = ApiKey::parse(key).unwrap();
        let (operator, now) = (&self.local.operator, self.local.clock.now());
        let registration = operator.store.environment(key.tag()).await.unwrap().unwrap();
        let entry = registration.api_key(&key.hash(), now).unwrap();
        operator.revoke_api_key(key.tag(), entry.id).await.unwrap()
    }
}

/// The right each route asks for. A route that is not here fails the test.
fn right(method: &Method, path: &str) -> Right {
    match (method.as_str(), path.rsplit('/').next().unwrap_or_default()) {
        ("POST", "challenge" | "verify") => Right::Verify,
        ("POST", "enroll" | "auth_factors" | "recovery_codes") | ("DELETE", _) => Right::Manage,
        ("GET", _) => Right::Read,
        _ => panic!("{method} {path}"),
    }
}

/// What each scope opens, said again in other words than the code's.
const fn rights(scope: Scope) -> &'static [Right] {
    match scope {
        Scope::Full => &[Right::Manage, Right::Verify, Right::Read],
        Scope::Verify => &[Right::Verify],
        Scope::Read => &[Right::Read],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_08_every_route_is_open_to_the_scopes_that_have_its_right() {
    let app = App::start_with_faults(Faults::none()).await;
    let mut forbidden = 0;
    for scope in Scope::ALL {
        let key = app.api_key("local", scope, None).await;
        app.advance(1);
        for (method, path) in ROUTES {
            app.faults().plan(|_| None);
            let answer = app.send_as(&key, method.clone(), path, json!({})).await;
            if rights(scope).contains(&right(&method, path)) {
                assert!(![401, 403].contains(&answer.status), "{scope:?} {method} {path}: {}", answer.text);
            } else {
                let body =
                    json!({"code": "forbidden", "message": "The API key's scope does not cover this."});
                assert_eq!(answer.expect(403), body, "{scope:?} {method} {path}");
                let calls = app.faults().calls();
                assert!(calls.iter().all(|call| call.operation == "GetItem"), "nothing is written or sent");
                forbidden += 1;
            }
        }
    }
    assert!(forbidden > 0);
}

/// One environment's keys: two live ones, an expiry, a revocation, an unknown one.
#[tokio::test(flavor = "multi_thread")]
async fn key_07_one_key_replaces_another_without_a_pause() {
    let app = App::start().await;
    let old = app.api_key("shop", Scope::Full, None).await;
    app.list_with(&old).await.expect(200);
    let new = app.api_key("shop", Scope::Full, None).await;
    app.advance(UNKNOWN_KEY_READ_INTERVAL.as_secs().try_into().unwrap());
    app.list_with(&new).await.expect(200);
    app.list_with(&old).await.expect(200);
    assert_eq!(app.revoke(&old).await, ChangeOutcome::Done);
    app.advance(API_KEY_CACHE_TTL.as_secs().try_into().unwrap());
    app.list_with(&old).await.expect(401);
    app.list_with(&new).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_07_an_environment_has_room_for_some_keys_and_no_more() {
    let app = App::start().await;
    for _ in 0..MAX_API_KEYS {
        app.api_key("shop", Scope::Read, None).await;
    }
    let tag = Tag::parse("shop").unwrap();
    let key = ApiKey::random(&tag, &mut OsEntropy.rng().unwrap());
    let id = shared::domain::id::ApiKeyId::new(app.local.clock.now(), &mut OsEntropy.rng().unwrap());
    let operator = &app.local.operator;
    assert_eq!(
        operator.add_api_key(&tag, &key.entry(id, Scope::Full, None)).await.unwrap(),
        ChangeOutcome::Refused
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn key_06_a_revoked_key_stops_within_a_minute_on_a_warm_server() {
    let app = App::start().await;
    let key = app.api_key("shop", Scope::Full, None).await;
    app.list_with(&key).await.expect(200);
    app.revoke(&key).await;
    app.advance(i64::try_from(API_KEY_CACHE_TTL.as_secs()).unwrap() - 1);
    app.list_with(&key).await.expect(200);
    app.advance(1);
    app.list_with(&key).await.expect(401);
}

/// F9: a read that lies in the future is of no known age.
#[tokio::test(flavor = "multi_thread")]
async fn key_06_a_clock_that_is_set_back_extends_no_trust_and_keeps_no_new_key_out() {
    let app = App::start().await;
    let revoked = app.api_key("shop", Scope::Full, None).await;
    app.list_with(&revoked).await.expect(200);
    app.revoke(&revoked).await;
    app.advance(-3_600);
    app.list_with(&revoked).await.expect(401);
    let new = app.api_key("shop", Scope::Full, None).await;
    app.advance(UNKNOWN_KEY_READ_INTERVAL.as_secs().try_into().unwrap());
    app.list_with(&new).await.expect(200);
    app.revoke(&new).await;
    app.advance(API_KEY_CACHE_TTL.as_secs().try_into().unwrap());
    app.list_with(&new).await.expect(401);
}

/// KEY-07: an expiry needs no reading of the table.
#[tokio::test(flavor = "multi_thread")]
async fn key_07_an_expired_key_stops_at_once() {
    let app = App::start().await;
    let ends = app.local.clock.now().plus(Duration::from_secs(30));
    let key = app.api_key("shop", Scope::Full, Some(ends)).await;
    app.list_with(&key).await.expect(200);
    app.advance(30);
    app.list_with(&key).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_03_unknown_malformed_revoked_and_expired_keys_get_one_answer() {
    let app = App::start().await;
    let now = app.local.clock.now();
    let expired = app.api_key("shop", Scope::Full, Some(now)).await;
    let revoked = app.api_key("shop", Scope::Full, None).await;
    app.revoke(&revoked).await;
    let foreign = unknown_key().replace("sk_local", "sk_nobody");
    let mut answers = Vec::new();
    for key in [expired, revoked, unknown_key(), foreign, "nonsense".to_owned(), String::new()] {
        let Answer { status, mut headers, text } = app.list_with(&key).await;
        for varies in ["x-request-id", "date"] {
            headers.remove(varies).unwrap();
        }
        answers.push((status, headers, text));
    }
    assert_eq!(answers[0].0, 401);
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_01_a_key_with_a_wrong_checksum_reaches_no_table() {
    let app = App::start_with_faults(Faults::none()).await;
    app.faults().plan(|_| None);
    let key = app.local.api_key.expose();
    for bad in [format!("{}0", &key[..key.len() - 1]), format!("{}1", &key[..key.len() - 1])] {
        if bad != key {
            app.list_with(&bad).await.expect(401);
        }
    }
    assert!(app.faults().calls().is_empty());
}

/// KEY-05, and what a flood of keys costs: one read per second, not one each.
#[tokio::test(flavor = "multi_thread")]
async fn key_05_unknown_keys_of_an_environment_share_one_read() {
    let app = App::start_with_faults(Faults::none()).await;
    app.faults().plan(|_| None);
    for _ in 0..20 {
        app.list_with(&unknown_key()).await.expect(401);
    }
    assert_eq!(app.faults().calls().len(), 1);
    app.advance(UNKNOWN_KEY_READ_INTERVAL.as_secs().try_into().unwrap());
    app.list_with(&unknown_key()).await.expect(401);
    assert_eq!(app.faults().calls().len(), 2, "and one a second after that");
}

/// F6
#[tokio::test(flavor = "multi_thread")]
async fn key_05_forged_keys_of_environments_that_do_not_exist_share_one_read_a_second() {
    let app = App::start_with_faults(Faults::none()).await;
    app.faults().plan(|_| None);
    app.list_with(&forged_key("none")).await.expect(401);
    assert_eq!(app.faults().calls().len(), 2, "the first one reads the item and the list");
    app.advance(UNKNOWN_KEY_READ_INTERVAL.as_secs().try_into().unwrap());
    for second in 0..5 {
        app.faults().plan(|_| None);
        for n in 0..20 {
            app.list_with(&forged_key(&format!("none-{n}"))).await.expect(401);
        }
        assert_eq!(app.faults().calls().len(), 1, "second {second}");
        app.advance(UNKNOWN_KEY_READ_INTERVAL.as_secs().try_into().unwrap());
    }
}

/// F6
#[tokio::test(flavor = "multi_thread")]
async fn key_05_a_real_key_is_let_in_at_once_during_a_flood_of_forged_ones() {
    let app = App::start_with_faults(Faults::none()).await;
    let keys = [app.api_key("shop", Scope::Read, None).await, app.api_key("blog", Scope::Read, None).await];
    for _ in 0..3 {
        app.list_with(&forged_key("none")).await.expect(401);
        for key in &keys {
            app.list_with(key).await.expect(200);
        }
        app.advance(API_KEY_CACHE_TTL.as_secs().try_into().unwrap());
    }
}

/// F6
#[tokio::test(flavor = "multi_thread")]
async fn a_new_environment_is_let_in_within_a_second_of_a_flood() {
    let app = App::start().await;
    app.list_with(&forged_key("none")).await.expect(401);
    let key = app.api_key("new", Scope::Read, None).await;
    app.list_with(&key).await.expect(401);
    app.advance(UNKNOWN_KEY_READ_INTERVAL.as_secs().try_into().unwrap());
    app.list_with(&key).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_key_costs_a_cold_function_one_read_of_its_environment() {
    let app = App::start_with_faults(Faults::none()).await;
    app.faults().plan(|_| None);
    app.list_with(app.local.api_key.expose()).await.expect(200);
    let operations: Vec<_> = app.faults().calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["GetItem", "Query"], "the environment, then what was asked for");
}

/// F6: what a forged key is answered says nothing about whether its environment exists.
#[tokio::test(flavor = "multi_thread")]
async fn key_03_while_the_table_fails_forged_keys_get_one_answer() {
    let app = App::start_with_faults(Faults::none()).await;
    // After a real key's request; after forged keys', a second later; and at once.
    for (forged, seconds, status) in [(false, 0, 503), (true, 1, 503), (true, 0, 401)] {
        app.faults().plan(|_| None);
        app.advance(API_KEY_CACHE_TTL.as_secs().try_into().unwrap());
        app.list_with(app.local.api_key.expose()).await.expect(200);
        for tag in ["local", "none"].into_iter().filter(|_| forged) {
            app.list_with(&forged_key(tag)).await.expect(401);
        }
        app.advance(seconds);
        app.faults().plan(|_| Some(Fault::ServerError));
        let mut answers = Vec::new();
        for tag in ["local", "none", "local", "none"] {
            let answer = app.list_with(&forged_key(tag)).await;
            assert_eq!(answer.status, status, "{tag} {forged} {seconds}");
            answers.push((answer.text, app.faults().calls().len()));
        }
        assert!(answers.iter().all(|(text, _)| *text == answers[0].0), "{answers:?}");
        let reads = if status == 503 { [1, 2, 3, 4] } else { [0; 4] };
        assert_eq!(answers.iter().map(|(_, reads)| *reads).collect::<Vec<_>>(), reads);
    }
}

/// F6
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_table_reaches_forged_keys_of_every_environment_alike() {
    let app = App::start_with_faults(Faults::none()).await;
    let other = app.other_environment().await;
    app.list_with(&other).await.expect(200);
    app.advance(UNKNOWN_KEY_READ_INTERVAL.as_secs().try_into().unwrap());
    app.list_with(&forged_key("none")).await.expect(401);
    // The list was read just now, the environment a second ago.
    app.faults().plan(|_| Some(Fault::ServerError));
    app.list_with(&forged_key("other")).await.expect(503);
    app.list_with(&forged_key("none")).await.expect(503);
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_that_ask_in_turn_are_read_once_a_minute_each() {
    let app = App::start_with_faults(Faults::none()).await;
    let keys = [app.api_key("shop", Scope::Read, None).await, app.api_key("blog", Scope::Read, None).await];
    for minute in 1..=3 {
        app.faults().plan(|_| None);
        for key in keys.iter().cycle().take(6) {
            app.list_with(key).await.expect(200);
        }
        let calls = app.faults().calls();
        assert_eq!(calls.iter().filter(|call| call.operation == "GetItem").count(), 2, "minute {minute}");
        app.advance(API_KEY_CACHE_TTL.as_secs().try_into().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_02_only_a_hash_of_a_key_is_stored() {
    let app = App::start().await;
    let key = app.local.api_key.clone();
    let items = app.dump().await;
    let environment = items.iter().find(|item| item["sk"].as_s().unwrap() == "environment").unwrap();
    let entry = environment["api_keys"].as_m().unwrap().values().next().unwrap().as_m().unwrap();
    assert_eq!(entry["hash"].as_b().unwrap().as_ref(), key.hash().0);
    let mut attributes: Vec<_> = entry.keys().map(String::as_str).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["hash", "scope"]);
}

/// KEY-11: a cursor is a place in one user's list of one environment, and opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn key_11_a_cursor_of_another_environment_shows_nothing_of_it() {
    let app = App::start().await;
    let other = app.other_environment().await;
    let factor = app.enroll(json!({"type": "generic_otp", "user_id": "u"})).await;
    for cursor in ["before", "after"] {
        let path = format!("{LIST}&{cursor}={factor}");
        let answer = app.send_as(&other, Method::GET, &path, json!({})).await;
        assert_eq!(answer.expect(200)["data"], json!([]));
        let nonsense = format!("{LIST}&{cursor}=nonsense");
        app.send_as(&other, Method::GET, &nonsense, json!({})).await.expect(422);
    }
}
