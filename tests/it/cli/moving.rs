//! A deployment that moves to another region or account, as docs/OPERATING.md describes it: an application changes its URL and
//! its API key, and nothing that it stored.

use super::Desk;
use super::export::age_identity;
use super::killed::stop_clocks;
use crate::app::{App, Totp};
use serde_json::json;

/// What an application knows of its users.
struct Users {
    app: Totp,
    phone: String,
    mail: String,
    locked: Totp,
}

async fn enroll(app: &App) -> Users {
    let totp = async |user: &str| {
        let body = json!({"type": "totp", "totp_issuer": "Foo", "totp_user": user, "user_id": user, "name": "Phone"});
        Totp::of(&app.post("/auth/factors/enroll", body, 201).await)
    };
    Users {
        app: totp("alice").await,
        phone: app.enroll(json!({"type": "sms", "phone_number": "+15005550006", "user_id": "bob"})).await,
        mail: app.enroll(json!({"type": "generic_otp", "user_id": "carol"})).await,
        locked: totp("mallory's victim").await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_logs_its_users_in_after_a_move_with_the_ids_that_it_stored() {
    let (old_desk, new_desk) = (Desk::new(), Desk::new());
    let (old, new) = (old_desk.serve().await, new_desk.serve().await);
    stop_clocks(&old, &new);
    let users = enroll(&old).await;
    assert!(old.logs_in(&users.app).await);
    let used = old.code_of(&users.app, 0);
    // Five wrong codes lock a factor.
    let challenge = old.challenge(&users.locked.id).await;
    for _ in 0..5 {
        assert!(!old.is_valid(&challenge, &old.wrong_code(&users.locked)).await);
    }
    let open = old.challenge(&users.app.id).await;
    let before = old.get("/user_management/users/alice/auth_factors", 200).await;

    // The old deployment stops answering: from here on nothing changes in it.
    let keys = old_desk.json("keys list").await;
    let old_key = keys[0]["id"].as_str().unwrap().to_owned();
    let (key, recipient) = age_identity(&old_desk);
    old_desk.ended(0, &format!("keys revoke {old_key} --environment local")).await;
    let dir = old_desk.dir().with_file_name("export").display().to_string();
    old_desk.ended(0, &format!("export --environment local --output {dir} --recipient {recipient}")).await;
    let check = new_desk
        .ended(0, &format!("import {dir} --environment local --keep-ids --identity {key} --dry-run"))
        .await;
    check.out_has("would be created: 4; imported before: 0; different: 0; refused: 0");
    let moved =
        new_desk.ended(0, &format!("import {dir} --environment local --keep-ids --identity {key}")).await;
    moved.out_has("created: 4; imported before: 0; different: 0; refused: 0");

    // The new deployment, with the same IDs.
    assert_eq!(new.get("/user_management/users/alice/auth_factors", 200).await, before);
    let challenge = new.challenge(&users.app.id).await;
    assert!(!new.is_valid(&challenge, &used).await, "a code that was used before the move is used");
    assert!(new.is_valid(&challenge, &new.code_of(&users.app, 1)).await);
    let challenge = new.challenge(&users.phone).await;
    assert!(new.is_valid(&challenge, &new.last_code()).await);
    let (challenge, code) = new.generic_challenge(&users.mail).await;
    assert!(new.is_valid(&challenge, &code).await);
    // A lock moves with its factor, and a challenge does not.
    let path = format!("/auth/factors/{}/challenge", users.locked.id);
    assert_eq!(new.post(&path, json!({}), 400).await["code"], "one_time_code_too_many_attempts");
    assert_eq!(new.refusal(&open, &new.code_of(&users.app, 1)).await, (404, "entity_not_found".to_owned()));

    // A second import creates nothing, and does not reset what happened since.
    let again = new_desk
        .ended(
            0,
            &format!("import {dir} --environment local --keep-ids --identity {key} --report {dir}.again"),
        )
        .await;
    again.out_has("created: 0; imported before: 4; different: 0; refused: 0");
    let challenge = new.challenge(&users.app.id).await;
    assert!(!new.is_valid(&challenge, &new.code_of(&users.app, 1)).await);
    for app in [old, new] {
        app.local.stop().await;
    }
}

/// The page has the commands of the test above.
#[test]
fn the_page_has_the_steps_of_a_move() {
    let page = std::fs::read_to_string(crate::architecture::root().join("docs/OPERATING.md")).unwrap();
    let (_, steps) = page.split_once("## Moving a deployment\n").unwrap();
    let mut rest = steps;
    for command in [
        "latchkey init",
        "latchkey keys revoke",
        "latchkey export",
        "--dry-run",
        "latchkey import",
        "latchkey env delete",
    ] {
        (_, rest) =
            rest.split_once(command).unwrap_or_else(|| panic!("{command} is missing, or out of order"));
    }
}
