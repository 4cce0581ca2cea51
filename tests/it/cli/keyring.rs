//! `latchkey keyring`: keys change under a running server, and logins are not affected (SEC-07).

use super::{Desk, Ended};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

const SETTLES: i64 = 120;
const KEPT: i64 = 3_600;

fn removed(ended: &Ended) -> usize {
    ended.changes().iter().map(|change| change["removed"].as_array().map_or(0, Vec::len)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_07_keys_rotate_under_a_warm_server_and_retire_when_nothing_names_them() {
    let desk = Desk::new();
    let app = desk.serve().await;
    app.other_environment().await;
    let (early, idle) = (app.enroll_totp().await, app.enroll_totp().await);
    let codes = app.recovery_codes("alice", json!({})).await;
    let old_key = app.sealed_with(&early).await;
    app.advance(SETTLES);

    let rotated = desk.ended(0, "keyring rotate").await;
    rotated.out_has("; environments with a new key: local other");
    let [change] = rotated.changes().try_into().unwrap();
    assert_eq!(change["event"], "keyring.rotated");
    let listed = desk.done("keyring list").await;
    insta::assert_snapshot!(listed, @r"
    ID  CREATED  ENVIRONMENTS
    data_key_…  TIME  local other
    data_key_…  TIME  active from TIME on  local other
    ");

    // The new key seals once every function knows it; until then nothing can be moved to it.
    let young = app.enroll_totp().await;
    assert_eq!(app.sealed_with(&young).await, old_key);
    let unsettled = desk.failed("keyring rewrap").await;
    insta::assert_snapshot!(unsettled, @"latchkey: the newest keys are used for sealing from TIME on, when every warm function has read them. Run this again after that: `latchkey keyring rewrap`");
    app.advance(SETTLES);
    let late = app.enroll_totp().await;
    let new_key = app.sealed_with(&late).await;
    assert_ne!(new_key, old_key);
    assert!(app.logs_in(&early).await && app.logs_in(&late).await, "side by side");
    assert_eq!(app.sealed_with(&early).await, old_key, "a verify moves no factor");
    assert_eq!(app.sealed_with(&idle).await, old_key);

    let rewrapped = desk.ended(0, "keyring rewrap").await;
    rewrapped.out_has("secrets resealed: 4; keys removed: 0");
    assert_eq!(removed(&rewrapped), 0, "a key that was just replaced is kept");
    assert_eq!(app.sealed_with(&idle).await, new_key);
    app.advance(60);
    for totp in [&early, &idle, &young, &late] {
        assert!(app.logs_in(totp).await);
    }
    app.advance(KEPT);
    let retired = desk.json("keyring rewrap").await;
    assert_eq!(
        (&retired["secrets"], retired["removed"].as_array().unwrap().len()),
        (&json!(0), 3),
        "two environments' and the entry"
    );
    assert_eq!(desk.json("keyring list").await.as_array().unwrap().len(), 1);
    app.advance(60);
    for totp in [&early, &idle, &young, &late] {
        assert!(app.logs_in(totp).await, "after the old keys are gone");
    }
    assert_eq!(app.recovers("alice", &codes[0]).await, (true, 9), "no one had to create new ones");
    assert_eq!(
        desk.json("keyring rewrap").await,
        json!({"secrets": 0, "removed": [], "kept": 0}),
        "nothing is left to do"
    );
    app.local.stop().await;

    // A server that starts now opens everything with what is left.
    let app = desk.serve().await;
    app.advance(60);
    assert!(app.logs_in(&idle).await);
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_07_an_old_key_stays_while_a_factor_names_it() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let (damaged, whole) = (app.enroll_totp().await, app.enroll_totp().await);
    desk.done("keyring rotate").await;
    app.advance(SETTLES + KEPT);
    let intact = app.damage(&damaged.id, "secret", AttributeValue::B(Blob::new([1; 50]))).await;

    let ended = desk.ended(1, "keyring rewrap").await;
    ended.err_has("some secrets could not be resealed (1), so the keys they are sealed with are kept");
    ended.out_has("secrets resealed: 1; keys removed: 0");
    app.put(intact).await;
    let retired = desk.json("keyring rewrap").await;
    assert_eq!((&retired["secrets"], retired["removed"].as_array().unwrap().len()), (&json!(1), 2));
    app.advance(60);
    assert!(app.logs_in(&damaged).await && app.logs_in(&whole).await);
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_07_an_interrupted_rotation_and_an_interrupted_rewrap_are_resumed() {
    let desk = Desk::new();
    let app = desk.serve().await;
    app.other_environment().await;
    let factors = [app.enroll_totp().await, app.enroll_totp().await, app.enroll_totp().await];
    // The process was killed after it added the entry.
    app.add_data_key().await;
    assert!(
        desk.failed("keyring rewrap").await.contains("the newest keys are used for sealing from TIME on")
    );
    let listed = desk.json("keyring list").await;
    assert_eq!(listed[1]["environments"], json!(["local", "other"]));
    app.advance(SETTLES);
    for moved in [3, 0] {
        assert_eq!(desk.json("keyring rewrap").await["secrets"], moved);
    }
    app.advance(60);
    for totp in &factors {
        assert!(app.logs_in(totp).await);
    }
    app.local.stop().await;
}

/// ONE-01, ONE-02: sealing again at the moment of a login loses no verdict and makes none count twice.
#[tokio::test(flavor = "multi_thread")]
async fn sec_07_a_login_at_the_moment_of_a_rewrap_succeeds_exactly_once() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let mut factors = Vec::new();
    for _ in 0..12 {
        factors.push(app.enroll_totp().await);
    }
    desk.done("keyring rotate").await;
    app.advance(SETTLES);
    let mut challenges = Vec::new();
    for totp in &factors {
        challenges.push((app.challenge(&totp.id).await, app.code_of(totp, 0)));
    }
    let logins = async {
        let mut valid = Vec::new();
        for (challenge, code) in &challenges {
            let (first, second) = tokio::join!(app.verify(challenge, code), app.verify(challenge, code));
            let valid_ones =
                [first, second].iter().filter(|answer| answer.json()["valid"] == json!(true)).count();
            valid.push(valid_ones);
        }
        valid
    };
    let (valid, rewrapped) = tokio::join!(logins, desk.type_in("keyring rewrap"));
    assert_eq!(rewrapped.code, 0, "{}", rewrapped.err);
    assert_eq!(valid, [1; 12]);
    for (totp, (challenge, code)) in factors.iter().zip(&challenges) {
        assert_eq!(app.refusal(challenge, code).await.1, "authentication_challenge_previously_verified");
        let again = app.challenge(&totp.id).await;
        assert!(!app.is_valid(&again, code).await, "the step stays spent");
    }
    app.local.stop().await;
}

/// F19: an entry of a moment still to come seals nothing, and is not taken for the one that does.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_made_by_a_clock_that_is_ahead_is_seen() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let totp = app.enroll_totp().await;
    app.advance(3_600);
    desk.done("keyring rotate").await;
    app.advance(-3_600);
    let listed = desk.done("keyring list").await;
    assert!(listed.lines().last().unwrap().contains("active from TIME on"), "{listed}");
    let doctor = desk.ended(cli::command::FAULTS, "doctor").await;
    doctor.out_has("the newest entry was created in the future");
    doctor.out_has("latchkey keyring rotate");
    assert!(app.logs_in(&totp).await);
    app.advance(3_600 + SETTLES);
    desk.done("doctor").await;
    assert!(desk.done("keyring list").await.lines().last().unwrap().contains("newest"));
    app.local.stop().await;
}
