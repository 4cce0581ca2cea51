//! F1: one damaged item blocks no other, and the error says what to type.

use super::Desk;
use crate::app::{App, Item, Totp};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use cli::command::{FAULTS, USAGE};
use serde_json::{Value, json};
use shared::domain::api_key::ApiKey;
use shared::domain::policy::{NEW_KEY_DELAY, RETIRED_KEY_RETENTION};
use shared::domain::scope::Scope;

fn junk() -> AttributeValue {
    AttributeValue::S("junk".to_owned())
}

impl App {
    /// Replaces an attribute of the item whose partition key ends like this. Returns the item as it was.
    pub(super) async fn damage(&self, pk_ends_with: &str, attribute: &str, value: AttributeValue) -> Item {
        let intact = self.item(pk_ends_with).await;
        let mut item = intact.clone();
        item.insert(attribute.to_owned(), value);
        self.put(item).await;
        intact
    }

    /// Replaces an attribute of an entry of one of an environment's maps.
    async fn damage_entry(&self, tag: &str, map: &str, id: &str, attribute: &str, value: AttributeValue) {
        let mut item = self.item(&format!("environment/{tag}")).await;
        let Some(AttributeValue::M(entries)) = item.get_mut(map) else { panic!("no {map}") };
        let Some(AttributeValue::M(entry)) = entries.get_mut(id) else { panic!("no {id}") };
        entry.insert(attribute.to_owned(), value);
        self.put(item).await;
    }

    async fn verifies(&self, totp: &Totp) -> u16 {
        let challenge = self.challenge(&totp.id).await;
        let answer = self.verify(&challenge, &self.code_of(totp, 0)).await;
        if answer.status == 201 {
            assert_eq!(answer.json()["valid"], true);
        }
        answer.status
    }
}

/// An API key of another environment, and its id.
async fn key_of(desk: &Desk, tag: &str) -> (String, String) {
    let made = desk.json(&format!("keys create --environment {tag}")).await;
    (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
}

/// A server with a factor whose secret is sealed with the oldest key, and one whose secret is sealed with the newest.
async fn serve_after_rotation(desk: &Desk) -> (App, Totp, Totp) {
    let app = desk.serve().await;
    let old = app.enroll_totp().await;
    rotate(desk, &app).await;
    let new = app.enroll_totp().await;
    (app, old, new)
}

/// Rotates the keyring, and waits until the new keys seal.
async fn rotate(desk: &Desk, app: &App) {
    desk.done("keyring rotate").await;
    app.advance(i64::try_from(NEW_KEY_DELAY.as_secs()).unwrap() + 60);
}

/// The command shows what it can, and its exit code says that it is not all.
async fn left_out(desk: &Desk, line: &str, shown: &str, damaged: &str) {
    let ended = desk.ended(1, line).await;
    ended.out_has(shown);
    let said = ended.err.lines().find(|line| line.starts_with("latchkey: cannot read ")).unwrap();
    assert!(said.contains(damaged), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_would_outlive_ten_years_is_not_made() {
    let desk = Desk::new();
    desk.done("init").await;
    for span in ["3000000d", "99999999h", "3651d"] {
        let line = format!("keys create --environment production --expires-in {span}");
        desk.ended(USAGE, &line).await.err_has("from 1m to 3650d");
    }
    let longest = desk.json("keys create --environment production --expires-in 3650d").await;
    assert_eq!(desk.json("keys list").await[1]["expires_at"], longest["expires_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_environment_keeps_no_operator_from_the_others() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let totp = app.enroll_totp().await;
    desk.done("env create shop").await;
    desk.done("env create zoo").await;
    let (shop, shop_id) = key_of(&desk, "shop").await;
    let (zoo, zoo_id) = key_of(&desk, "zoo").await;
    app.damage("environment/shop", "keys", junk()).await;

    let damaged = "shop (its `keys` is missing or invalid). Restore the environment's item from a backup";
    left_out(&desk, "keys list", &zoo_id, damaged).await;
    left_out(&desk, "env list", "zoo", damaged).await;
    left_out(&desk, "keyring list", "local zoo", damaged).await;
    left_out(&desk, "keyring rotate", "environments with a new key: local zoo", damaged).await;
    assert!(desk.failed("keys list --environment shop").await.contains(damaged));
    assert!(desk.failed("keys create --environment shop").await.contains(damaged));
    let doctor = desk.ended(FAULTS, "doctor").await;
    doctor.out_has("its item is damaged: `keys` is missing or invalid");
    doctor.out_has("all entries can be unwrapped (2)");

    // Keys go on being made and revoked, and the damaged environment's own, too.
    assert_eq!((app.list_with(&shop).await.status, app.list_with(&zoo).await.status), (500, 200));
    desk.done(&format!("keys revoke {zoo_id}")).await;
    let missing = desk.ended(1, &format!("keys revoke {shop_id}")).await;
    missing.err_has("these environments are damaged: shop (its `keys`");
    missing.err_has("--environment TAG");
    let revoked = desk.ended(0, &format!("keys revoke {shop_id} --environment shop")).await;
    let change = revoked.changes().remove(0);
    assert_eq!((&change["event"], &change["api_key"]), (&json!("api_key.revoked"), &json!(shop_id)));
    assert!(app.item("environment/shop").await["api_keys"].as_m().unwrap().is_empty());
    let again = desk.ended(1, &format!("keys revoke {shop_id} --environment shop")).await;
    again.err_has("It may have been revoked already");

    // What the damaged environment's keys are wrapped by is not known: no entry of the keyring goes.
    app.advance(i64::try_from((NEW_KEY_DELAY + RETIRED_KEY_RETENTION).as_secs()).unwrap());
    left_out(&desk, "keyring rewrap", "secrets resealed: 1; keys removed: 2", damaged).await;
    assert_eq!(app.verifies(&totp).await, 201);
    app.local.stop().await;

    // The server starts, and the environment can be given up.
    desk.serve().await.local.stop().await;
    desk.done("env delete shop --yes").await;
    desk.done("keys list").await;
    assert_eq!(desk.json("keyring list").await.as_array().unwrap().len(), 2);
    assert_eq!(desk.json("keyring rewrap").await["removed"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_own_environment_is_damaged_says_what_to_type() {
    let desk = Desk::new();
    let app = desk.serve().await;
    app.enroll_totp().await;
    app.damage("environment/local", "deleted_at", junk()).await;
    app.local.stop().await;
    let refused = App::refusal_in(&desk.dir()).await;
    insta::assert_snapshot!(super::masked(&refused, &desk.dir()), @"the environment local cannot be served, because its item is damaged: an item's deleted_at is missing or invalid. Delete the environment and start the server again, which creates a new one: `latchkey env delete local --local DIR`. Or restore table.sqlite from a backup, or move the data directory away to start with a new one");
    // The same without the file that names the environment.
    std::fs::remove_file(desk.dir().join("api-key")).unwrap();
    assert_eq!(App::refusal_in(&desk.dir()).await, refused);
    assert!(desk.done("env delete local --yes").await.ends_with("deleted; items removed: 1"));
    desk.serve().await.local.stop().await;
    desk.done("doctor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_shows_no_key_that_its_environment_did_not_take() {
    let desk = Desk::new();
    desk.serve().await.local.stop().await;
    for _ in 1..20 {
        desk.done("keys create --environment local").await;
    }
    std::fs::remove_file(desk.dir().join("api-key")).unwrap();
    let refused = App::refusal_in(&desk.dir()).await;
    assert!(refused.starts_with("no API key can be added to the environment local"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_api_key_authenticates_no_one_and_the_others_go_on() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let (damaged, id) = key_of(&desk, "local").await;
    let (other, _) = key_of(&desk, "local").await;
    let bare = id.strip_prefix("api_key_").unwrap();
    // As `--expires-in 3000000d` once wrote it.
    let beyond = AttributeValue::N("253402207200999".to_owned());
    app.damage_entry("local", "api_keys", bare, "expires_at", beyond).await;
    app.advance(60);
    assert_eq!((app.list_with(&damaged).await.status, app.list_with(&other).await.status), (401, 200));

    insta::assert_snapshot!(desk.done("keys list").await, @r"
    ID  ENVIRONMENT  SCOPE  CREATED  EXPIRES
    api_key_…  local  full  TIME  never
    api_key_…  local  full  TIME  never
    api_key_…  local  none  damaged: revoke it
    ");
    let doctor = desk.ended(FAULTS, "doctor").await;
    doctor.out_has(&format!("{id} is damaged"));
    doctor.out_has(&format!("environment local: latchkey keys revoke {id} --environment local"));
    desk.done(&format!("keys revoke {id}")).await;
    desk.done("doctor").await;
    app.local.stop().await;
    desk.serve().await.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_key_of_an_environment_matters_to_what_is_sealed_with_it() {
    let desk = Desk::new();
    let (app, old, new) = serve_after_rotation(&desk).await;
    let environment = app.item("environment/local").await;
    let keys = environment["keys"].as_m().unwrap();
    let oldest = keys.keys().min().unwrap().clone();
    for (attribute, value) in [
        ("data_key", junk()),
        ("wrapped", AttributeValue::B(Blob::new([7; 60]))),
        ("data_key", AttributeValue::S("data_key_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned())),
    ] {
        app.damage_entry("local", "keys", &oldest, attribute, value).await;
        app.advance(60);
        assert_eq!((app.verifies(&new).await, app.verifies(&old).await), (201, 500), "{attribute}");
        desk.ended(FAULTS, "doctor").await;
        let rewrap = desk.ended(1, "keyring rewrap").await;
        rewrap.err_has("the environment local was skipped");
        assert_eq!(desk.json("keyring list").await.as_array().unwrap().len(), 2);
        app.put(environment.clone()).await;
    }
    app.advance(60);
    assert_eq!(app.verifies(&old).await, 201);
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_entry_of_the_keyring_stops_no_function_that_does_not_need_it() {
    let desk = Desk::new();
    let (app, old, new) = serve_after_rotation(&desk).await;
    let entries: Vec<Item> =
        app.dump().await.into_iter().filter(|item| item["pk"].as_s().unwrap() == "keyring").collect();
    let oldest = entries.iter().min_by_key(|item| item["sk"].as_s().unwrap().clone()).unwrap().clone();
    app.local.stop().await;
    for damage in [junk(), AttributeValue::B(Blob::new([3; 60])), AttributeValue::B(Blob::new([]))] {
        let app = desk.serve().await;
        let mut item = oldest.clone();
        item.insert("wrapped".to_owned(), damage);
        app.put(item).await;
        app.local.stop().await;
        // Started anew: it holds what opens.
        let app = desk.serve().await;
        assert_eq!((app.verifies(&new).await, app.verifies(&old).await), (201, 500));
        let generic = app.enroll(json!({"type": "generic_otp"})).await;
        let (challenge, code) = app.generic_challenge(&generic).await;
        assert!(app.is_valid(&challenge, &code).await);
        desk.ended(FAULTS, "doctor").await;
        app.put(oldest.clone()).await;
        app.advance(60);
        app.local.stop().await;
    }
    desk.done("doctor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_factor_is_named_and_deleted_and_the_others_are_listed() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let enroll = async |user: &str| {
        app.enroll(json!({"type": "totp", "totp_issuer": "Foo", "totp_user": user, "user_id": "u"})).await
    };
    let (good, bad) = (enroll("alice").await, enroll("bob").await);
    rotate(&desk, &app).await;
    let intact = app.damage(&bad, "created_at", junk()).await;

    let damaged = format!("{bad} (its `created_at` is missing or invalid). Restore the factor's item");
    left_out(&desk, "factors list --environment local --user u", &good, &damaged).await;
    for line in ["show", "unlock"] {
        let failed = desk.ended(1, &format!("factors {line} {bad} --environment local")).await;
        failed.err_has(&damaged);
        failed.err_has("latchkey factors delete ID --environment local");
    }
    let rewrap = desk.ended(1, "keyring rewrap").await;
    rewrap.out_has("secrets resealed: 1; keys removed: 0");
    rewrap.err_has(&format!("The first error: {bad} (its `created_at`"));
    // An application is not given a list that seems whole.
    assert_eq!(app.get("/auth/factors?user_id=u", 500).await["code"], "internal_server_error");
    app.get(&format!("/auth/factors/{good}"), 200).await;

    let deleted = desk.ended(0, &format!("factors delete {bad} --environment local")).await;
    assert_eq!(deleted.changes()[0]["event"], "factor.deleted");
    assert_eq!(app.get("/auth/factors?user_id=u", 200).await["data"].as_array().unwrap().len(), 1);
    app.get(&format!("/auth/factors/{bad}"), 404).await;
    // A guard alone concerns no list.
    app.put(intact).await;
    app.damage(&bad, "guard", junk()).await;
    assert_eq!(desk.json("factors list --environment local --user u").await.as_array().unwrap().len(), 2);
    desk.done(&format!("factors delete {bad} --environment local")).await;
    app.local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_without_its_id_is_erased_and_says_what_stays() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let key = app.api_key("shop", Scope::Full, None).await;
    let intact = app.damage("environment/shop", "id", junk()).await;
    app.local.stop().await;
    let erased = desk.ended(1, "env delete shop --yes").await;
    erased.err_has("the keys of the environment shop are deleted");
    erased.err_has("Restore `id`");

    let app = desk.serve().await;
    let item = app.item("environment/shop").await;
    assert!(!item.contains_key("keys") && !item.contains_key("api_keys"));
    assert_eq!(app.list_with(&key).await.status, 500);
    app.damage("environment/shop", "id", intact["id"].clone()).await;
    app.local.stop().await;
    desk.done("env delete shop --yes").await;
    assert_eq!(desk.json("env list").await.as_array().unwrap().len(), 1);
}

/// A listed name that is no tag cannot be one of ours. It is named, and that is all.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_a_line_that_makes_no_sense_is_a_list() {
    let desk = Desk::new();
    let app = desk.serve().await;
    let stray = [("pk", "environments"), ("sk", "No\u{202e}Tag")];
    app.put(stray.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).into()).await;
    left_out(&desk, "env list", "local", r"No\u{202e}Tag (its `sk` is missing").await;
    app.local.stop().await;
    desk.serve().await.local.stop().await;
}

/// F1: whatever the clock shows, what is written reads back, for requests and for operators.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_damaged_by_a_clock_at_either_end() {
    let desk = Desk::new();
    let app = desk.serve().await;
    for seconds in [i64::MAX, i64::MIN, 0] {
        app.client.advance(seconds).await;
        // A step back: what was read at the other end is of no age, and read again.
        let totp = app.enroll_totp().await;
        let sms = app.enroll_sms().await;
        let generic = app.enroll(json!({"type": "generic_otp", "user_id": "u"})).await;
        let (challenge, code) = app.generic_challenge(&generic).await;
        assert!(app.is_valid(&challenge, &code).await);
        let challenge = app.challenge(&totp.id).await;
        app.verify(&challenge, "123456").await.expect(201);
        assert!([201, 422].contains(&app.text(&sms, None).await.status));
        for path in ["/auth/factors?user_id=u".to_owned(), format!("/auth/factors/{}", totp.id)] {
            app.get(&path, 200).await;
        }
        let made = desk.json("keys create --environment local --expires-in 3650d").await;
        assert!(ApiKey::parse(made["key"].as_str().unwrap()).is_ok());
        desk.done(&format!("keys revoke {}", made["id"].as_str().unwrap())).await;
        for line in ["keys list", "env list", "keyring list"] {
            desk.done(line).await;
        }
        desk.done(&format!("factors show {} --environment local", totp.id)).await;
        desk.done(&format!("factors unlock {} --environment local", totp.id)).await;
        assert_ne!(desk.type_in("doctor --json").await.out, "", "{seconds}");
    }
    for item in app.dump().await.iter().filter(|item| item["sk"].as_s().unwrap() == "factor") {
        let id = item["id"].as_s().unwrap();
        assert_eq!(app.get(&format!("/auth/factors/{id}"), 200).await["id"], Value::from(id.as_str()));
    }
    app.local.stop().await;
}
