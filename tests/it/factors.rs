//! Reading, deleting and listing factors.

use crate::app::{App, Item, send};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use cli::serve::TABLE;
use cli::serve::faults::Faults;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::id::FactorId;
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use shared::store::{LIST_QUERY_LIMIT, MAX_LIST_QUERIES};

fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap();
    data.iter().map(|factor| factor["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_factor_is_gone() {
    let app = App::start().await;
    let id = app.enroll_sms().await;
    let path = format!("/auth/factors/{id}");
    let (read, deleted) = (app.get(&path, 200).await, app.delete(&path, 204).await);
    let (gone, deleted_again) = (app.get(&path, 404).await, app.delete(&path, 404).await);
    insta::assert_snapshot!(app.named(&[&read, &deleted, &gone, &deleted_again]), @r#"
    {"created_at":"<+0 ms>","id":"<factor 1>","object":"authentication_factor","sms":{"phone_number":"+15005550006"},"type":"sms","updated_at":"<+0 ms>"}
    null
    {"code":"entity_not_found","entity_id":"<factor 1>","message":"Authentication Factor not found: '<factor 1>'."}
    {"code":"entity_not_found","entity_id":"<factor 1>","message":"Authentication Factor not found: '<factor 1>'."}
    "#);
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

/// F19: `%ff` is no character, so it must not be read as one, and one user as another.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_not_utf8_names_no_user() {
    let app = App::start().await;
    app.enroll(json!({"type": "generic_otp", "user_id": "\u{fffd}"})).await;
    for query in ["user_id=%ff", "user_id=u&x=%c3%28", "user_id=%ed%a0%80"] {
        let refused = app.get(&format!("/auth/factors?{query}"), 400).await;
        assert_eq!(refused["code"], "malformed_request", "{query}");
    }
    assert_eq!(ids(&app.get("/auth/factors?user_id=%ef%bf%bd", 200).await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_list_holds_totp_factors_only_and_ours_holds_all() {
    let app = App::start().await;
    let user = "user_1";
    let totp = json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "a", "user_id": user});
    app.enroll(totp.clone()).await;
    app.advance(1);
    app.enroll(json!({"type": "sms", "phone_number": "+15005550006", "user_id": user})).await;
    app.advance(1);
    app.enroll(totp).await;
    app.enroll(json!({"type": "generic_otp", "user_id": "user_10"})).await;
    app.enroll(json!({"type": "generic_otp"})).await;

    let newest_first = app.get("/user_management/users/user_1/auth_factors", 200).await;
    let oldest_first = app.get("/auth/factors?user_id=user_1&order=asc", 200).await;
    let sms = app.get("/auth/factors?user_id=user_1&type=sms", 200).await;
    let no_factors = app.get("/auth/factors?user_id=nobody", 200).await;
    insta::assert_snapshot!(app.named(&[&newest_first, &oldest_first, &sms, &no_factors]), @r#"
    {"data":[{"created_at":"<+2000 ms>","id":"<factor 3>","object":"authentication_factor","totp":{"issuer":"Foo","user":"a"},"type":"totp","updated_at":"<+2000 ms>","user_id":"user_1"},{"created_at":"<+0 ms>","id":"<factor 1>","object":"authentication_factor","totp":{"issuer":"Foo","user":"a"},"type":"totp","updated_at":"<+0 ms>","user_id":"user_1"}],"list_metadata":{"after":null,"before":null},"object":"list"}
    {"data":[{"created_at":"<+0 ms>","id":"<factor 1>","object":"authentication_factor","totp":{"issuer":"Foo","user":"a"},"type":"totp","updated_at":"<+0 ms>","user_id":"user_1"},{"created_at":"<+1000 ms>","id":"<factor 2>","object":"authentication_factor","sms":{"phone_number":"+15005550006"},"type":"sms","updated_at":"<+1000 ms>","user_id":"user_1"},{"created_at":"<+2000 ms>","id":"<factor 3>","object":"authentication_factor","totp":{"issuer":"Foo","user":"a"},"type":"totp","updated_at":"<+2000 ms>","user_id":"user_1"}],"list_metadata":{"after":null,"before":null},"object":"list"}
    {"data":[{"created_at":"<+1000 ms>","id":"<factor 2>","object":"authentication_factor","sms":{"phone_number":"+15005550006"},"type":"sms","updated_at":"<+1000 ms>","user_id":"user_1"}],"list_metadata":{"after":null,"before":null},"object":"list"}
    {"data":[],"list_metadata":{"after":null,"before":null},"object":"list"}
    "#);
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
    let mut refused = Vec::new();
    for query in [
        "",
        "user_id=",
        "user_id=u&limit=0",
        "user_id=u&limit=101",
        "user_id=u&limit=ten",
        "user_id=u&order=up",
        "user_id=u&type=webauthn",
        "user_id=u&after=auth_factor_x",
        &format!("user_id=u&after={id}&before={id}"),
    ] {
        refused.push(app.get(&format!("/auth/factors?{query}"), 422).await.to_string());
    }
    insta::assert_snapshot!(refused.join("\n"), @r#"
    {"code":"invalid_request_parameters","errors":[{"code":"user_id must not be empty","field":"user_id"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"user_id must not be empty","field":"user_id"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"limit must be a number from 1 to 100","field":"limit"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"limit must be a number from 1 to 100","field":"limit"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"limit must be a number from 1 to 100","field":"limit"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"order must be asc, desc or normal","field":"order"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"type must be totp, sms or generic_otp","field":"type"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"after must be an id of this kind","field":"after"}],"message":"Validation failed"}
    {"code":"invalid_request_parameters","errors":[{"code":"after must not be given together with before","field":"after"}],"message":"Validation failed"}
    "#);
}

impl App {
    /// Gives a factor's user this many factors more, copies of it that are newer.
    async fn copy(&self, factor: &str, count: usize) {
        let items = self.dump().await;
        let factor =
            items.into_iter().find(|item| item.get("id").is_some_and(|id| id.as_s().unwrap() == factor));
        let (factor, table) = (factor.unwrap(), self.table());
        let text = |item: &Item, name: &str| item[name].as_s().unwrap().to_owned();
        let copies: Vec<_> = (1..=count)
            .map(|_| {
                self.advance(1);
                let id = FactorId::new(self.local.clock.now(), &mut OsEntropy.rng().unwrap()).to_string();
                let mut copy = factor.clone();
                let pk = text(&factor, "pk").replace(&text(&factor, "id"), &id);
                copy.extend(
                    [("pk", pk), ("id", id)].map(|(name, text)| (name.to_owned(), AttributeValue::S(text))),
                );
                let put = PutRequest::builder().set_item(Some(copy)).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            })
            .collect();
        for batch in copies.chunks(25) {
            table.batch_write_item().request_items(TABLE, batch.to_vec()).send().await.unwrap();
        }
        self.advance(1);
    }

    /// The limits of the queries since the plan was made.
    fn queried(&self) -> Vec<Value> {
        let calls = self.faults().calls().into_iter().filter(|call| call.operation == "Query");
        calls.map(|call| serde_json::from_slice::<Value>(&call.body).unwrap()["Limit"].clone()).collect()
    }
}

/// F8
#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_one_factor_more_than_it_shows() {
    let app = App::start_with_faults(Faults::none()).await;
    let one = app.enroll(json!({"type": "generic_otp", "user_id": "u"})).await;
    app.copy(&one, 1_199).await;
    for limit in [1, 10, 100] {
        app.faults().plan(|_| None);
        let list = app.get(&format!("/auth/factors?user_id=u&limit={limit}"), 200).await;
        assert_eq!(ids(&list).len(), limit);
        assert_eq!(app.queried(), [json!(limit + 1)]);
    }
}

/// F8
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_one_type_makes_four_queries_at_most_and_its_cursors_reach_the_end() {
    let app = App::start_with_faults(Faults::none()).await;
    let sms = |app: &App| {
        let body = json!({"type": "sms", "phone_number": "+15005550006", "user_id": "u"});
        app.authorized(Method::POST, "/auth/factors/enroll").json(&body)
    };
    let oldest = send(sms(&app)).await.expect(201)["id"].clone();
    app.advance(1);
    let one =
        app.enroll(json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "a", "user_id": "u"})).await;
    app.copy(&one, 3_999).await;
    let newest = send(sms(&app)).await.expect(201)["id"].clone();
    for (order, expected) in [("desc", [&newest, &oldest]), ("asc", [&oldest, &newest])] {
        let (mut walked, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            app.faults().plan(|_| None);
            let path = format!("/auth/factors?user_id=u&type=sms&limit=10&order={order}{cursor}");
            let list = app.get(&path, 200).await;
            assert_eq!(app.queried()[0], 11);
            assert!(app.queried().len() <= MAX_LIST_QUERIES, "{:?}", app.queried());
            walked.extend(list["data"].as_array().unwrap().iter().map(|factor| factor["id"].clone()));
            pages += 1;
            let Some(after) = list["list_metadata"]["after"].as_str() else { break };
            cursor = format!("&after={after}");
        }
        assert_eq!(walked.iter().collect::<Vec<_>>(), expected, "{order}");
        assert!((5..=7).contains(&pages), "{pages}");
    }
    app.faults().plan(|_| None);
    let path = "/user_management/users/u/auth_factors?limit=100";
    assert_eq!(ids(&app.get(path, 200).await).len(), 100);
    assert_eq!(app.queried(), [json!(101), json!(250)], "one factor of another type");
}

/// F8: Python's SDK takes an empty page for the last one, so a user with hundreds of other factors must not get one.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_one_type_looks_past_hundreds_of_others() {
    let app = App::start_with_faults(Faults::none()).await;
    let totp =
        app.enroll(json!({"type": "totp", "totp_issuer": "Foo", "totp_user": "a", "user_id": "u"})).await;
    app.advance(1);
    let one = app.enroll(json!({"type": "generic_otp", "user_id": "u"})).await;
    app.copy(&one, LIST_QUERY_LIMIT * (MAX_LIST_QUERIES - 1)).await;
    let list = app.get("/user_management/users/u/auth_factors?limit=1", 200).await;
    assert_eq!(ids(&list), [totp]);
}
