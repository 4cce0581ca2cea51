//! Who may do what: each function by its policies, everybody else by the keys'.

use super::{FUNCTIONS, function, properties, resources, strings, template};
use crate::architecture::root;
use serde_yaml_ng::Value;
use std::collections::BTreeSet;
use std::fs;

const TABLE: &str =
    "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${ServedTable.Value}";

/// Every statement of a function's policies: those it shares with the others, then its own.
pub(super) fn statements<'a>(template: &'a Value, name: &str) -> Vec<&'a Value> {
    let policies = function(template, name)["Policies"].as_sequence().unwrap().iter();
    policies
        .map(|policy| match policy.as_str() {
            Some(shared) => &properties(template, shared)["PolicyDocument"],
            None => policy,
        })
        .flat_map(|policy| policy["Statement"].as_sequence().unwrap())
        .collect()
}

/// Those of them that are about a service.
fn about<'a>(template: &'a Value, name: &str, service: &str) -> Vec<&'a Value> {
    let mut found = statements(template, name);
    found.retain(|statement| strings(&statement["Action"]).iter().any(|action| action.starts_with(service)));
    found
}

#[test]
fn net_05_each_function_may_do_what_it_does_and_no_more() {
    let template = template();
    for (name, expected) in [
        ("enroll", "dynamodb:GetItem dynamodb:PutItem dynamodb:Query kms:Decrypt"),
        (
            "challenge",
            "dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem kms:Decrypt sns:Publish",
        ),
        ("verify", "dynamodb:GetItem dynamodb:Query dynamodb:UpdateItem kms:Decrypt"),
        ("factors", "dynamodb:DeleteItem dynamodb:GetItem dynamodb:Query kms:Decrypt"),
    ] {
        let mut allowed = BTreeSet::new();
        for statement in statements(&template, name) {
            if statement["Effect"] == "Allow" {
                allowed.extend(strings(&statement["Action"]));
            }
        }
        let expected: BTreeSet<String> = expected.split(' ').map(str::to_owned).collect();
        assert_eq!(allowed, expected, "{name}");
    }
}

#[test]
fn net_05_nothing_but_the_table_is_reached_and_lists_come_from_the_index() {
    let template = template();
    for name in FUNCTIONS {
        for statement in about(&template, name, "dynamodb:") {
            let resource = statement["Resource"].as_str().unwrap();
            let actions = strings(&statement["Action"]);
            if actions.contains("dynamodb:Query") {
                assert_eq!(actions.len(), 1, "{name}");
                let keys = &statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"];
                let partitions = [["keyring".to_owned()].into(), ["environments".to_owned()].into()];
                let partition = resource == TABLE && partitions.contains(&strings(keys));
                let list = name == "factors" && resource == format!("{TABLE}/index/by_user");
                assert!(partition || list, "{name}: {statement:?}");
            } else {
                assert_eq!(resource, TABLE, "{name}");
            }
        }
    }
}

#[test]
fn net_06_a_function_that_seals_or_opens_decrypts_the_keyring_and_nothing_else() {
    let template = template();
    for name in FUNCTIONS {
        let statements = about(&template, name, "kms:");
        for statement in &statements {
            assert_eq!(strings(&statement["Action"]), ["kms:Decrypt".to_owned()].into(), "{name}");
        }
        let main = fs::read_to_string(root().join(format!("functions/{name}/src/main.rs"))).unwrap();
        let keyring = statements.iter().filter(|statement| statement["Resource"] == "ServedKeyringKey.Value");
        assert_eq!(keyring.clone().count(), main.matches("function.keyring()").count(), "{name}");
        for statement in keyring {
            let condition = &statement["Condition"];
            assert_eq!(condition["StringEquals"]["kms:EncryptionContext:latchkey"], "keyring");
            assert_eq!(
                strings(&condition["ForAllValues:StringEquals"]["kms:EncryptionContextKeys"]),
                ["data_key".to_owned(), "latchkey".to_owned()].into()
            );
        }
    }
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    assert_eq!(variables["LATCHKEY_KMS_KEY_ID"], "ServedKeyringKey.Value");
}

/// The table's key is DynamoDB's to use, in the name of a principal that may read the table.
#[test]
fn net_06_the_tables_key_is_used_through_dynamodb_only() {
    let template = template();
    for name in FUNCTIONS {
        let statements = about(&template, name, "kms:");
        let mut table = statements.iter().filter(|statement| statement["Resource"] == "StorageKey.Arn");
        let condition = &table.next().unwrap()["Condition"]["StringEquals"]["kms:ViaService"];
        assert_eq!(condition, "dynamodb.${AWS::Region}.amazonaws.com");
        assert!(table.next().is_none(), "{name}");
    }
}

#[test]
fn net_06_keys_rotate_outlive_the_stack_and_leave_access_to_iam() {
    let template = template();
    let keys = resources(&template, "AWS::KMS::Key");
    assert_eq!(keys.keys().collect::<Vec<_>>(), [&"KeyringKey", &"StorageKey"]);
    for (name, key) in keys {
        assert_eq!(key["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
        assert_eq!(key["UpdateReplacePolicy"], "Retain", "{name}");
        assert_eq!(key["Properties"]["EnableKeyRotation"], true, "{name}");
        for statement in key["Properties"]["KeyPolicy"]["Statement"].as_sequence().unwrap() {
            let root = "arn:${AWS::Partition}:iam::${AWS::AccountId}:root";
            let service = name == "StorageKey" && statement["Principal"]["Service"].is_string();
            assert!(statement["Principal"]["AWS"] == root || service, "{name}: {statement:?}");
            assert!(!service || statement["Condition"].is_mapping(), "{name}: {statement:?}");
        }
        let aliases = resources(&template, "AWS::KMS::Alias");
        assert!(aliases.values().any(|alias| alias["Properties"]["TargetKeyId"] == name), "{name}");
    }
}

/// Publishing to a phone number knows no resource, so every topic is taken out again. Not tried in an account.
#[test]
fn net_07_messages_go_to_phones_and_to_no_topic() {
    let template = template();
    for name in FUNCTIONS {
        let statements = about(&template, name, "sns:");
        assert_eq!(statements.len(), if name == "challenge" { 2 } else { 0 }, "{name}");
        for statement in statements {
            assert_eq!(statement["Action"], "sns:Publish");
            let resource = match statement["Effect"].as_str().unwrap() {
                "Allow" => "*",
                _ => "arn:${AWS::Partition}:sns:*:*:*",
            };
            assert_eq!(statement["Resource"], resource);
        }
    }
}
