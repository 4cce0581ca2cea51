//! What has expired, and what DynamoDB's TTL may collect of it and when.

use crate::app::{App, Item};
use reqwest::Method;
use serde_json::json;
use shared::domain::policy::{CHALLENGE_RETENTION, TOTP_CHALLENGE_TTL};
use shared::ports::Clock as _;
use std::time::Duration;

impl App {
    /// Collects a challenge's item as DynamoDB's TTL does: at any time after its expiry.
    async fn collect(&self, challenge: &str) {
        let item = self.item(challenge).await;
        let delete = self.table().delete_item().table_name(cli::serve::TABLE);
        delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
    }

    /// When a challenge of the factor, which is locked, could be opened again.
    async fn locked_until(&self, factor: &str) -> String {
        let refused = self.post(&format!("/auth/factors/{factor}/challenge"), json!({}), 400).await;
        refused["retry_at"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exp_04_collecting_a_challenge_lets_nothing_in_and_forgets_no_failure() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let (spent, unused) = (app.challenge(&totp.id).await, app.challenge(&totp.id).await);
    for _ in 0..5 {
        assert!(!app.is_valid(&spent, &app.wrong_code(&totp)).await);
    }
    app.advance(600);
    for challenge in [&spent, &unused] {
        let expired = (422, "authentication_challenge_expired".to_owned());
        assert_eq!(app.refusal(challenge, &app.code_of(&totp, 0)).await, expired);
        app.collect(challenge).await;
        let unknown = (404, "entity_not_found".to_owned());
        assert_eq!(app.refusal(challenge, &app.code_of(&totp, 0)).await, unknown);
    }
    // The factor remembers what the collected challenge has spent: the next failure is its sixth.
    let fresh = app.challenge(&totp.id).await;
    let before = app.local.clock.now();
    assert!(!app.is_valid(&fresh, &app.wrong_code(&totp)).await);
    assert!(app.locked_until(&totp.id).await >= before.plus(Duration::from_mins(1)).to_string());
    // Not even a clock that steps back reopens what is collected.
    app.advance(-600);
    assert_eq!(app.verify(&unused, &app.code_of(&totp, 0)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn exp_06_no_route_shows_a_challenge_so_none_shows_an_expired_one() {
    let app = App::start().await;
    let body = json!({"type": "generic_otp", "user_id": "user_1"});
    let factor = app.enroll(body).await;
    let (list, path) = ("/auth/factors?user_id=user_1", format!("/auth/factors/{factor}"));
    let before = (app.get(list, 200).await, app.get(&path, 200).await);
    let challenge = app.challenge(&factor).await;
    app.advance(601);
    assert_eq!((app.get(list, 200).await, app.get(&path, 200).await), before);
    for method in [Method::GET, Method::DELETE] {
        let request = app.authorized(method, &format!("/auth/challenges/{challenge}"));
        assert_eq!(crate::app::send(request).await.expect(404)["code"], "route_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exp_07_nothing_that_counts_failures_is_ever_collected() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    app.is_valid(&challenge, &app.wrong_code(&totp)).await;
    let items = app.dump().await;
    let counters: Vec<&Item> = items.iter().filter(|item| item.contains_key("guard")).collect();
    assert_eq!(counters.len(), 1);
    assert!(!counters[0].contains_key("ttl"));
    assert!(format!("{counters:?}").contains("recent_failures"));
}

#[tokio::test(flavor = "multi_thread")]
async fn exp_05_an_expired_challenge_leaves_the_local_table_without_a_restart() {
    let app = App::start().await;
    let (totp, challenge) = app.challenged().await;
    let kept = (CHALLENGE_RETENTION + TOTP_CHALLENGE_TTL).as_secs().try_into().unwrap();
    app.advance(kept);
    let later = app.challenge(&totp.id).await;
    app.advance(1);
    while app.verify(&challenge, &app.code_of(&totp, 0)).await.status != 404 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let items = app.dump().await;
    assert!(!items.iter().any(|item| item["pk"].as_s().unwrap().ends_with(&challenge)), "{items:?}");
    assert!(app.is_valid(&later, &app.code_of(&totp, 0)).await);
}
