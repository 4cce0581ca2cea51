//! `template.yaml` says what the code says: routes, the table, variables; allows no more than it must; and watches.

mod access;
mod gateway;
mod metrics;
mod overview;
mod packaged;
mod watch;

use crate::app::App;
use crate::architecture::root;
use serde_yaml_ng::Value;
use shared::aws::LAMBDA_TIMEOUT;
use shared::config::VARIABLES;
use shared::http::ROUTES;
use shared::store::schema::{self, attr};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const FUNCTIONS: [&str; 4] = ["enroll", "challenge", "verify", "factors"];

fn template() -> Value {
    serde_yaml_ng::from_str(&fs::read_to_string(root().join("template.yaml")).unwrap()).unwrap()
}

/// The resources of a type, by name. Tags like `!Ref` are looked through: `!Ref Table` equals `"Table"`.
fn resources<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = template["Resources"].as_mapping().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str().unwrap(), resource))
        .collect()
}

fn properties<'a>(template: &'a Value, resource: &str) -> &'a Value {
    template["Resources"][resource].get("Properties").unwrap_or_else(|| panic!("no resource {resource}"))
}

fn function<'a>(template: &'a Value, name: &str) -> &'a Value {
    let built = |resource: &&Value| resource["Metadata"]["BuildProperties"]["Binary"] == name;
    let found = resources(template, "AWS::Serverless::Function").into_values().find(built);
    &found.unwrap_or_else(|| panic!("no function is built from {name}"))["Properties"]
}

fn strings(list: &Value) -> BTreeSet<String> {
    match list {
        Value::Sequence(items) => items.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
        one => BTreeSet::from([one.as_str().unwrap().to_owned()]),
    }
}

/// `METHOD path` of every route of a function.
fn routes_in_code(function: &str) -> BTreeSet<String> {
    let routes = ROUTES.iter().filter(|route| <&str>::from(route.function) == function);
    routes.map(|route| format!("{} {}", <&str>::from(route.method), route.path)).collect()
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
    assert_eq!(all.len(), ROUTES.len(), "every route, each in one function");
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
fn flt_14_lambda_waits_as_long_as_the_policy_reckons() {
    assert_eq!(template()["Globals"]["Function"]["Timeout"], LAMBDA_TIMEOUT.as_secs());
}

#[test]
fn net_08_the_table_survives_mistakes_and_is_encrypted_with_the_deployments_key() {
    let template = template();
    let table = &template["Resources"]["Table"];
    assert_eq!(table["DeletionPolicy"], "Retain");
    assert_eq!(table["UpdateReplacePolicy"], "Retain");
    let table = &table["Properties"];
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
    assert_eq!(table["SSESpecification"]["SSEType"], "KMS");
    assert_eq!(table["SSESpecification"]["KMSMasterKeyId"], "StorageKey.Arn");
}

/// A restored table has another name, and a lost stack's keyring another key: one parameter each moves everything over.
#[test]
fn a_restored_table_is_served_by_naming_it() {
    let template = template();
    let table = &properties(&template, "ServedTable")["Value"];
    assert_eq!(table[0], "ServesRestored");
    assert_eq!(table[1], "RestoredTable");
    assert_eq!(table[2], "Table");
    let key = &properties(&template, "ServedKeyringKey")["Value"];
    assert_eq!(key[0], "MakesKeyringKey");
    assert_eq!(key[1], "KeyringKey.Arn");
    assert_eq!(key[2], "RestoredKeyringKey");
    // Nothing else knows either by its own name: it would go on using the old one.
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    for (name, uses) in [("!Ref Table]", 1), ("Table.Arn", 0), ("KeyringKey.Arn", 1), ("!Ref KeyringKey", 1)]
    {
        assert_eq!(text.matches(name).count(), uses, "{name}");
    }
}

/// What a row of the requirements has against a skipped check is that no reason is given.
#[test]
fn net_13_every_skipped_check_has_its_reason() {
    let checks = fs::read_to_string(root().join(".checkov.yaml")).unwrap();
    let lines: Vec<&str> = checks.lines().map(str::trim).collect();
    for pair in lines.windows(2) {
        assert!(!pair[1].starts_with("- CKV") || pair[0].starts_with('#'), "{}", pair[1]);
    }
    for resource in template()["Resources"].as_mapping().unwrap().values() {
        for skip in resource["Metadata"]["checkov"]["skip"].as_sequence().into_iter().flatten() {
            assert!(skip["comment"].as_str().is_some_and(|reason| reason.len() > 20), "{skip:?}");
        }
    }
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    for check in ["sam validate --lint", "cfn-lint template.yaml", "bin/checkov"] {
        assert!(ci.contains(check), "{check}");
    }
}

#[test]
fn every_parameter_says_what_it_is_and_most_say_what_they_take() {
    let template = template();
    let groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].as_sequence();
    let shown: BTreeSet<String> =
        groups.unwrap().iter().flat_map(|group| strings(&group["Parameters"])).collect();
    let mut declared = BTreeSet::new();
    for (name, parameter) in template["Parameters"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        assert!(parameter["Description"].as_str().is_some_and(|text| text.len() > 20), "{name}");
        assert!(parameter.get("Default").is_some(), "{name}: a first deployment asks for nothing");
        let bounded = ["AllowedPattern", "AllowedValues", "MinValue"];
        assert!(
            name == "TruststoreVersion" || bounded.iter().any(|bound| parameter.get(bound).is_some()),
            "{name} takes anything"
        );
        declared.insert(name.to_owned());
    }
    assert_eq!(shown, declared);
}
