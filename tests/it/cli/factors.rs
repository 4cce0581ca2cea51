//! `latchkey factors`: what is shown of a factor, and a way out of a lock.

use super::Desk;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn factors_are_listed_and_shown_without_what_is_secret() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let body =
        json!({"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alice@example.com", "user_id": "u"});
    let totp = app.post("/auth/factors/enroll", body, 201).await;
    let sms = app.enroll(json!({"type": "sms", "phone_number": "+15005550006", "user_id": "u"})).await;
    let list = desk.type_in("factors list --environment local --user u --json").await;
    let show = desk.type_in(&format!("factors show {sms} --environment local")).await;
    let shown =
        desk.json(&format!("factors show {} --environment local", totp["id"].as_str().unwrap())).await;
    insta::assert_snapshot!(super::masked(&show.out, &desk.dir()), @r"
    factor  auth_factor_…
    type  sms
    about  US …06
    name  none
    user  u
    created  TIME
    used  never
    failures  0 consecutive
    0 in the last 24 hours
    locked  no
    ");
    insta::assert_snapshot!(desk.done("factors list --environment local --user u").await, @r"
    ID  TYPE  CREATED  ABOUT
    auth_factor_…  sms  TIME  US …06
    auth_factor_…  totp  TIME  alice@example.com at Foo Corp
    ");
    let secret = totp["totp"]["secret"].as_str().unwrap();
    for text in [&list.out, &show.out, &shown.to_string()] {
        assert!(!text.contains(secret) && !text.contains("5005550006"), "{text}");
    }
    assert_eq!(desk.json("factors list --environment local --user nobody").await, json!([]));
    let other = "factors show auth_factor_01ARZ3NDEKTSV4RRFFQ69G5FAV --environment local";
    insta::assert_snapshot!(desk.failed(other).await, @"latchkey: the environment local has no factor auth_factor_…. List the factors of a user: `latchkey factors list --environment local --user ID`");
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thr_05_an_operator_unlocks_a_factor_and_what_is_spent_stays_spent() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let totp = app.enroll_totp().await;
    let spent = app.challenge(&totp.id).await;
    assert!(app.is_valid(&spent, &app.code_of(&totp, 0)).await);
    let challenge = app.challenge(&totp.id).await;
    for _ in 0..5 {
        app.verify(&challenge, &app.wrong_code(&totp)).await.expect(201);
    }
    let refused = app.post(&format!("/auth/factors/{}/challenge", totp.id), json!({}), 400).await;
    assert_eq!(refused["code"], "one_time_code_too_many_attempts");
    let shown = desk.json(&format!("factors show {} --environment local", totp.id)).await;
    assert_eq!((&shown["failures"], shown["recent_failures"].as_array().unwrap().len()), (&json!(5), 5));
    assert!(shown["locked"].as_str().unwrap().starts_with("until 2"));

    let unlocked = desk.ended(0, &format!("factors unlock {} --environment local", totp.id)).await;
    let [change] = unlocked.changes().try_into().unwrap();
    assert_eq!((&change["event"], &change["factor"]), (&json!("factor.unlocked"), &json!(totp.id)));
    let again = app.challenge(&totp.id).await;
    assert!(!app.is_valid(&again, &app.code_of(&totp, 0)).await, "its step is spent");
    assert!(app.is_valid(&again, &app.code_of(&totp, 1)).await);
    assert_eq!(
        app.refusal(&challenge, "000000").await.1,
        "one_time_code_too_many_attempts",
        "and so is the challenge"
    );

    let deleted = desk.type_in(&format!("factors delete {} --environment local", totp.id)).await;
    assert_eq!(deleted.changes()[0]["event"], "factor.deleted");
    app.get(&format!("/auth/factors/{}", totp.id), 404).await;
    app.local.stop().await;
}

/// ONE-04: an unlock that races guesses forgives what was counted before it, and loses no guess after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_unlock_among_guesses_is_written_over_what_it_saw() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let (totp, challenge) = app.challenged().await;
    let (wrong, unlock) = (app.wrong_code(&totp), format!("factors unlock {} --environment local", totp.id));
    let guesses = async {
        let mut counted = 0;
        for _ in 0..4 {
            let answer = app.verify(&challenge, &wrong).await;
            counted += usize::from(answer.status == 201);
        }
        counted
    };
    let (counted, unlocked) = tokio::join!(guesses, desk.type_in(&unlock));
    assert_eq!((counted, unlocked.code), (4, 0), "{}", unlocked.err);
    // The challenge remembers all four, whatever was forgiven.
    app.verify(&challenge, &wrong).await.expect(201);
    assert_eq!(app.refusal(&challenge, &wrong).await.1, "one_time_code_too_many_attempts");
    app.local.stop().await;
}

/// F17: what an application stored does not move what an operator's terminal shows; and a label of before the rule reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_listing_escapes_what_would_hide_or_reorder_the_rest_of_it() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let user = "u\u{202e}\u{200b}";
    let body = json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "alice", "user_id": user});
    let id = app.enroll(body).await;
    let stored = "\u{202e}ecila\u{200b}\u{1b}[2J: ";
    app.damage(&id, "account", AttributeValue::S(stored.to_owned())).await;
    let path = format!("/auth/factors/{id}");
    assert_eq!(app.get(&path, 200).await["totp"]["user"], stored);

    let line = format!("factors list --environment local --user {user}");
    let (listed, as_json) = (desk.done(&line).await, desk.type_in(&format!("{line} --json")).await.out);
    let shown = desk.done(&format!("factors show {id} --environment local")).await;
    for text in [&listed, &as_json, &shown] {
        assert!(!text.chars().any(|c| c != '\n' && shared::domain::text::is_hidden(c)), "{text:?}");
    }
    assert!(listed.contains(r"\u{202e}ecila\u{200b}\u{1b}[2J:  at Foo"), "{listed}");
    assert!(shown.contains(r"u\u{202e}\u{200b}"), "{shown}");
    let value: serde_json::Value = serde_json::from_str(&as_json).unwrap();
    assert_eq!(value[0]["user_id"], user, "JSON says the same");
    app.local.stop().await;
}
