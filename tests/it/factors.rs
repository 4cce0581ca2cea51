//! Reading, deleting and listing factors.

use crate::app::{App, send};
use reqwest::Method;
use serde_json::{Value, json};

fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap();
    data.iter().map(|factor| factor["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_factor_is_gone() {
    let app = App::start().await;
    let id = app.enroll_sms().await;
    let path = format!("/auth/factors/{id}");
    assert_eq!(app.get(&path, 200).await["sms"], json!({"phone_number": "+15005550006"}));
    assert_eq!(app.delete(&path, 204).await, Value::Null);
    let gone = json!({
        "code": "entity_not_found",
        "message": format!("Authentication Factor not found: '{id}'."),
        "entity_id": id,
    });
    assert_eq!(app.get(&path, 404).await, gone);
    assert_eq!(app.delete(&path, 404).await, gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn sms_09_a_number_is_changed_by_a_new_factor_only() {
    let app = App::start().await;
    let path = format!("/auth/factors/{}", app.enroll_sms().await);
    for method in [Method::PATCH, Method::PUT, Method::POST] {
        send(app.authorized(method, &path).json(&json!({"phone_number": "+15005550007"}))).await.expect(405);
    }
    assert_eq!(app.get(&path, 200).await["sms"]["phone_number"], "+15005550006");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_may_carry_a_body_and_a_get_a_content_type() {
    let app = App::start().await;
    let id = app.enroll_sms().await;
    let path = format!("/auth/factors/{id}?");
    send(app.authorized(Method::GET, &path).header("content-type", "application/json")).await.expect(200);
    send(app.authorized(Method::DELETE, &path).json(&json!({}))).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_in_paths_are_percent_decoded() {
    let app = App::start().await;
    let id = app.enroll_sms().await;
    assert_eq!(app.get(&format!("/auth/factors/{}", id.replace('_', "%5F")), 200).await["id"], id);
    for malformed in ["auth_factor_%00", "..%2f..%2fx", "%20", "auth_factor_%F0%9F%98%80", &id.to_lowercase()]
    {
        app.get(&format!("/auth/factors/{malformed}"), 404).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_list_holds_totp_factors_only_and_ours_holds_all() {
    let app = App::start().await;
    let user = "user_1";
    let totp = json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "a", "user_id": user});
    let first = app.enroll(totp.clone()).await;
    app.advance(1);
    let sms = app.enroll(json!({"type": "sms", "phone_number": "+15005550006", "user_id": user})).await;
    app.advance(1);
    let second = app.enroll(totp).await;
    app.enroll(json!({"type": "generic_otp", "user_id": "user_10"})).await;
    app.enroll(json!({"type": "generic_otp"})).await;

    let list = app.get("/user_management/users/user_1/auth_factors", 200).await;
    assert_eq!(list["object"], "list");
    assert_eq!(list["list_metadata"], json!({"before": null, "after": null}));
    assert_eq!(ids(&list), [second.clone(), first.clone()], "newest first");
    assert_eq!(list["data"][0]["totp"], json!({"issuer": "Foo", "user": "a"}));
    assert_eq!(list["data"][0]["user_id"], user);

    let list = app.get("/auth/factors?user_id=user_1&order=asc", 200).await;
    assert_eq!(ids(&list), [first, sms.clone(), second]);
    assert_eq!(ids(&app.get("/auth/factors?user_id=user_1&type=sms", 200).await), [sms]);
    let nobody = app.get("/auth/factors?user_id=nobody", 200).await;
    assert_eq!(
        nobody,
        json!({"object": "list", "data": [], "list_metadata": {"before": null, "after": null}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_walked_forwards_and_backwards_in_every_order() {
    let app = App::start().await;
    let mut oldest_first = Vec::new();
    for _ in 0..5 {
        oldest_first.push(app.enroll(json!({"type": "generic_otp", "user_id": "u"})).await);
        app.advance(1);
    }
    let newest_first: Vec<String> = oldest_first.iter().rev().cloned().collect();
    for (order, expected, onwards, back) in [
        ("asc", &oldest_first, "after", "before"),
        ("desc", &newest_first, "after", "before"),
        ("normal", &newest_first, "before", "after"),
    ] {
        let page = async |cursor: &str| {
            app.get(&format!("/auth/factors?user_id=u&limit=2&order={order}{cursor}"), 200).await
        };
        let mut walked = Vec::new();
        let mut list = page("").await;
        assert_eq!(list["list_metadata"][back], Value::Null, "{order}");
        loop {
            walked.extend(ids(&list));
            let Some(cursor) = list["list_metadata"][onwards].as_str() else { break };
            list = page(&format!("&{onwards}={cursor}")).await;
        }
        assert_eq!(&walked, expected, "{order} forwards");
        let mut walked = ids(&list);
        while let Some(cursor) = list["list_metadata"][back].as_str() {
            list = page(&format!("&{back}={cursor}")).await;
            walked.splice(0..0, ids(&list));
        }
        assert_eq!(&walked, expected, "{order} backwards");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_refuses_what_it_does_not_understand() {
    let app = App::start().await;
    let id = app.enroll_sms().await;
    for (query, field) in [
        ("", "user_id"),
        ("user_id=", "user_id"),
        ("user_id=u&limit=0", "limit"),
        ("user_id=u&limit=101", "limit"),
        ("user_id=u&limit=ten", "limit"),
        ("user_id=u&order=up", "order"),
        ("user_id=u&type=webauthn", "type"),
        ("user_id=u&after=auth_factor_x", "after"),
    ] {
        let refused = app.get(&format!("/auth/factors?{query}"), 422).await;
        assert_eq!(refused["errors"][0]["field"], field, "{query}");
    }
    app.get(&format!("/auth/factors?user_id=u&after={id}&before={id}"), 422).await;
}
