//! The write that decides a verify, as it is sent to the table: one, conditional, and done before the answer.

use serde_json::{Value, json};
use shared::aws::MAX_REPEATED_WRITES;
use shared::ports::Clock as _;
use shared::store::MAX_WRITE_CONFLICTS;
use std::sync::{Arc, Mutex};
use tests::client::Totp;
use tests::properties::server::{Answer, Server};
use tests::properties::table::Fate;

fn right_code(server: &Server) -> String {
    Totp::of(&server.totp).code(server.clock.now(), 0)
}

fn wrong_code(server: &Server) -> String {
    Totp::of(&server.totp).wrong_code(server.clock.now())
}

fn verify(server: &Server, code: &str) -> Answer {
    server.post(&format!("/auth/challenges/{}/verify", server.challenge), &json!({ "code": code }))
}

/// Every write from now on, each of which has this fate.
fn writes(server: &Server, fate: Fate) -> Arc<Mutex<Vec<Value>>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    server.table.writes(move |write| {
        assert_eq!(write.operation, "UpdateItem");
        log.lock().unwrap().push(write.request.clone());
        fate
    });
    asked
}

#[test]
fn one_03_a_success_spends_challenge_and_step_in_one_write_of_the_factor() {
    let server = Server::start();
    let asked = writes(&server, Fate::Refused);
    for (code, successful) in [(wrong_code(&server), false), (right_code(&server), true)] {
        asked.lock().unwrap().clear();
        assert_eq!(verify(&server, &code).status, 503, "not written, not returned");
        let asked = asked.lock().unwrap();
        let repeats = usize::try_from(MAX_REPEATED_WRITES).unwrap();
        assert_eq!(asked.len(), 1 + repeats, "the same write again: its outcome is unknown");
        assert!(asked.iter().all(|write| *write == asked[0]));
        assert_eq!(asked[0]["Key"]["sk"]["S"], "factor");
        let guard = asked[0]["ExpressionAttributeValues"][":guard"].to_string();
        assert!(guard.contains("\"attempts\""), "the attempt is charged in any case");
        for spent in ["\"last_step\"", "\"verified_by\""] {
            assert_eq!(guard.contains(spent), successful, "{spent} in {guard}");
        }
    }
}

#[test]
fn one_04_a_verdict_whose_condition_never_holds_is_never_returned() {
    let server = Server::start();
    let asked = writes(&server, Fate::Conflict);
    for code in [right_code(&server), wrong_code(&server)] {
        asked.lock().unwrap().clear();
        let answer = verify(&server, &code);
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json().get("valid"), None);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), MAX_WRITE_CONFLICTS);
        for write in asked.iter() {
            assert_eq!(write["ConditionExpression"], "#version = :seen");
            assert_eq!(write["ExpressionAttributeNames"]["#version"], "version");
            assert_eq!(write["ExpressionAttributeValues"][":seen"]["N"], "0", "the version that was read");
        }
    }
}

/// Moves to the challenge's last millisecond.
fn almost_expired() -> Server {
    let server = Server::start();
    server.clock.advance(10 * 60 * 1_000 - 1);
    server
}

fn assert_expired(server: &Server) {
    let answer = verify(server, &right_code(server));
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["code"], "authentication_challenge_expired");
}

#[test]
fn exp_02_a_challenge_that_expires_while_it_is_read_is_refused() {
    let server = almost_expired();
    let asked = writes(&server, Fate::Refused);
    let clock = server.clock.clone();
    server.table.reads(move |key| {
        if key.ends_with(" challenge") {
            clock.advance(1);
        }
    });
    assert_expired(&server);
    assert!(asked.lock().unwrap().is_empty(), "nothing is charged");
}

#[test]
fn exp_02_a_race_that_is_lost_at_the_last_moment_is_decided_again_and_refused() {
    let server = almost_expired();
    let clock = server.clock.clone();
    let raced = Arc::new(Mutex::new(0));
    let races = Arc::clone(&raced);
    server.table.writes(move |_| {
        *races.lock().unwrap() += 1;
        clock.advance(1);
        Fate::Conflict
    });
    assert_expired(&server);
    assert_eq!(*raced.lock().unwrap(), 1);
}
