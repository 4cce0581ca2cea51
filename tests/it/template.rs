//! `template.yaml` says what the code says: routes, the table, variables; and allows no more than it must.

use crate::app::App;
use crate::architecture::root;
use serde_yaml_ng::Value;
use shared::config::VARIABLES;
use shared::store::schema::{self, attr};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const FUNCTIONS: [&str; 4] = ["enroll", "challenge", "verify", "factors"];

fn template() -> Value {
    serde_yaml_ng::from_str(&fs::read_to_string(root().join("template.yaml")).unwrap()).unwrap()
}

fn function<'a>(template: &'a Value, name: &str) -> &'a Value {
    let resources = template["Resources"].as_mapping().unwrap().values();
    let built = |resource: &&Value| resource["Metadata"]["BuildProperties"]["Binary"] == name;
    &resources.into_iter().find(built).unwrap_or_else(|| panic!("no function is built from {name}"))["Properties"]
}

fn strings(list: &Value) -> BTreeSet<String> {
    match list {
        Value::Sequence(items) => items.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
        one => BTreeSet::from([one.as_str().unwrap().to_owned()]),
    }
}

/// `METHOD path` of every route an endpoint's file registers.
fn routes_in_code(function: &str) -> BTreeSet<String> {
    let code = fs::read_to_string(root().join(format!("shared/src/http/{function}.rs"))).unwrap();
    let mut routes = BTreeSet::new();
    for route in code.split(".route(").skip(1) {
        let (path, rest) = route.trim_start().strip_prefix('"').unwrap().split_once('"').unwrap();
        let handlers = rest.lines().next().unwrap();
        for (call, method) in [("get(", "GET"), ("post(", "POST"), ("delete(", "DELETE")] {
            if handlers.contains(call) {
                routes.insert(format!("{method} {path}"));
            }
        }
    }
    routes
}

#[test]
fn the_gateways_routes_are_the_codes_routes() {
    let template = template();
    let mut all = Vec::new();
    for name in FUNCTIONS {
        let events = function(&template, name)["Events"].as_mapping().unwrap().values();
        let routes: BTreeSet<String> = events
            .filter(|event| {
                assert_eq!(event["Type"], "HttpApi");
                // Without a path it is the API's $default route: a refusal in the contract's shape.
                name != "factors" || event["Properties"].get("Path").is_some()
            })
            .map(|event| {
                let (method, path) = (&event["Properties"]["Method"], &event["Properties"]["Path"]);
                format!("{} {}", method.as_str().unwrap(), path.as_str().unwrap())
            })
            .collect();
        assert_eq!(routes, routes_in_code(name), "{name}");
        all.extend(routes);
    }
    assert_eq!(all.len(), 10, "every route of the contract, each in one function");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_the_one_the_store_makes() {
    let template = template();
    let declared = &template["Resources"]["Table"]["Properties"];
    let app = App::start().await;
    let made =
        app.table().describe_table().table_name(cli::serve::TABLE).send().await.unwrap().table.unwrap();

    let pairs = |list: &Value, key: &str, value: &str| -> BTreeMap<String, String> {
        let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
        list.as_sequence().unwrap().iter().map(|item| (text(item, key), text(item, value))).collect()
    };
    let schema = |elements: &[aws_sdk_dynamodb::types::KeySchemaElement]| -> BTreeMap<String, String> {
        elements.iter().map(|e| (e.attribute_name().to_owned(), e.key_type().as_str().to_owned())).collect()
    };
    assert_eq!(pairs(&declared["KeySchema"], "AttributeName", "KeyType"), schema(made.key_schema()));
    let attributes: BTreeMap<String, String> = made
        .attribute_definitions()
        .iter()
        .map(|a| (a.attribute_name().to_owned(), a.attribute_type().as_str().to_owned()))
        .collect();
    assert_eq!(pairs(&declared["AttributeDefinitions"], "AttributeName", "AttributeType"), attributes);

    let [index] = declared["GlobalSecondaryIndexes"].as_sequence().unwrap().as_slice() else {
        panic!("one index")
    };
    let [made_index] = made.global_secondary_indexes() else { panic!("one index") };
    assert_eq!(index["IndexName"].as_str(), made_index.index_name());
    assert_eq!(index["IndexName"], schema::BY_USER);
    assert_eq!(pairs(&index["KeySchema"], "AttributeName", "KeyType"), schema(made_index.key_schema()));
    assert_eq!(index["Projection"]["ProjectionType"], "INCLUDE");
    assert_eq!(strings(&index["Projection"]["NonKeyAttributes"]), schema::LISTED.map(str::to_owned).into());

    let ttl = app.table().describe_time_to_live().table_name(cli::serve::TABLE).send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(declared["TimeToLiveSpecification"]["AttributeName"].as_str(), ttl.attribute_name());
    assert_eq!(declared["TimeToLiveSpecification"]["AttributeName"], attr::TTL);
    assert_eq!(declared["TimeToLiveSpecification"]["Enabled"], true);
    assert_eq!(declared["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn the_variables_are_those_the_code_reads() {
    let template = template();
    let names = |variables: &Value| -> BTreeSet<String> {
        let variables = variables.as_mapping().into_iter().flatten();
        variables.map(|(name, _)| name.as_str().unwrap().to_owned()).collect()
    };
    let mut all = names(&template["Globals"]["Function"]["Environment"]["Variables"]);
    for name in FUNCTIONS {
        all.extend(names(&function(&template, name)["Environment"]["Variables"]));
    }
    assert_eq!(all, VARIABLES.map(str::to_owned).into());
}

#[test]
fn net_05_each_function_may_do_what_it_does_and_no_more() {
    let template = template();
    for (name, expected) in [
        ("enroll", vec!["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]),
        (
            "challenge",
            vec![
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
                "sns:Publish",
            ],
        ),
        ("verify", vec!["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"]),
        ("factors", vec!["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:Query"]),
    ] {
        let mut allowed = BTreeSet::new();
        for policy in function(&template, name)["Policies"].as_sequence().unwrap() {
            for statement in policy["Statement"].as_sequence().unwrap() {
                let actions = strings(&statement["Action"]);
                assert!(actions.iter().all(|action| !action.contains('*')), "{name}: {actions:?}");
                if statement["Effect"] == "Allow" {
                    // Publishing to a phone number knows no narrower resource (NET-07).
                    assert!(
                        statement["Resource"] != "*" || actions == ["sns:Publish".to_owned()].into(),
                        "{name}"
                    );
                    allowed.extend(actions);
                }
            }
        }
        assert_eq!(allowed, expected.into_iter().map(str::to_owned).collect(), "{name}");
    }
}
