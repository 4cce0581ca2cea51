//! What informs an operator: logs, alarms, the dashboard, and what a deployment prints.

use super::metrics::published;
use super::{FUNCTIONS, function, properties, resources, strings, template};
use crate::architecture::root;
use serde_yaml_ng::Value;
use std::fs;

/// The metrics an alarm looks at, as `CloudWatch` knows them, each with its period.
fn watched(alarm: &Value) -> Vec<(&Value, &Value)> {
    match alarm["Metrics"].as_sequence() {
        None => vec![(alarm, &alarm["Period"])],
        Some(metrics) => {
            let stats = metrics.iter().filter_map(|metric| metric.get("MetricStat"));
            stats.map(|stat| (&stat["Metric"], &stat["Period"])).collect()
        }
    }
}

/// The names of the metrics an alarm looks at, all over `period` seconds.
fn names(alarm: &Value, period: u64) -> Vec<&str> {
    let watched = watched(alarm).into_iter();
    watched
        .map(|(metric, over)| {
            assert_eq!(over, period);
            metric["MetricName"].as_str().unwrap()
        })
        .collect()
}

/// The one expression whose result the alarm compares.
fn judged(alarm: &Value) -> &str {
    let metrics = alarm["Metrics"].as_sequence().unwrap().iter();
    let mut returned = metrics.filter(|metric| metric.get("ReturnData").is_none());
    let expression = returned.next().unwrap()["Expression"].as_str().unwrap();
    assert!(returned.next().is_none());
    expression
}

#[test]
fn log_09_every_log_has_a_retention_and_the_deployments_key() {
    let template = template();
    let groups = resources(&template, "AWS::Logs::LogGroup");
    for (name, group) in &groups {
        assert_eq!(group["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
        assert_eq!(group["Properties"]["RetentionInDays"], "LogRetentionDays", "{name}");
        assert_eq!(group["Properties"]["KmsKeyId"], "StorageKey.Arn", "{name}");
    }
    assert!(template["Parameters"]["LogRetentionDays"]["Default"].as_u64().unwrap() >= 365);
    // One for all functions, so that the metric filters see every audit line.
    assert_eq!(template["Globals"]["Function"]["LoggingConfig"]["LogGroup"], "FunctionsLog");
    for name in FUNCTIONS {
        assert!(function(&template, name).get("LoggingConfig").is_none(), "{name}");
    }
    assert_eq!(groups.keys().collect::<Vec<_>>(), [&"FunctionsLog", &"GatewayLog"]);
    let gateway = properties(&template, "Api")["AccessLogSettings"]["DestinationArn"].as_str().unwrap();
    assert!(groups.contains_key(gateway.strip_suffix(".Arn").unwrap()));
    // CloudWatch can use the key for these groups only: they are named after the stack.
    let policy = properties(&template, "StorageKey")["KeyPolicy"]["Statement"].as_sequence().unwrap();
    let logs = policy.iter().find(|statement| statement["Sid"] == "Logs").unwrap();
    let arn = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"].as_str().unwrap();
    assert!(arn.ends_with(":log-group:${AWS::StackName}-*"), "{arn}");
    assert!(groups.values().all(|group| group["Properties"].get("LogGroupName").is_none()));
}

#[test]
fn log_01_the_access_log_has_no_header_no_path_and_is_json() {
    let template = template();
    let format = properties(&template, "Api")["AccessLogSettings"]["Format"].as_str().unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(format).unwrap().is_object());
    for variable in ["$context.path", "header", "authorizer", "querystring"] {
        assert!(!format.contains(variable), "{variable}");
    }
}

#[test]
fn every_alarm_tells_somebody_and_takes_silence_for_health() {
    let (template, published) = (template(), published());
    for (name, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{name}");
        assert_eq!(alarm["AlarmActions"][0][1], "AlarmTopic", "{name}");
        assert_eq!(alarm["AlarmActions"][0][2], "AlarmTopicArn", "{name}");
        assert!(alarm["AlarmDescription"].as_str().is_some_and(|text| text.len() > 40), "{name}");
        for (metric, _) in watched(alarm) {
            if metric["Namespace"] == "Latchkey" {
                let dimensions = metric["Dimensions"].as_sequence().unwrap();
                assert_eq!(dimensions.len(), 1, "{name}");
                assert_eq!(dimensions[0]["Name"], "table", "{name}");
                assert_eq!(dimensions[0]["Value"], "ServedTable.Value", "{name}");
                let metric = (metric["MetricName"].as_str().unwrap().to_owned(), vec!["table".to_owned()]);
                assert!(published.contains(&metric), "{name}: no filter publishes {metric:?}");
            }
        }
    }
}

#[test]
fn thr_14_a_spray_raises_an_alarm() {
    let template = template();
    let alarm = properties(&template, "FailureRatioAlarm");
    assert_eq!(names(alarm, 600), ["Verified", "Failures"]);
    assert_eq!(judged(alarm), "IF(verifies >= 100, 100 * FILL(failures, 0) / verifies, 0)");
    assert_eq!(alarm["Metrics"][2]["Expression"], "FILL(verified, 0) + FILL(failures, 0)");
    assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold");
    assert_eq!(alarm["Threshold"], 50);
}

#[test]
fn thr_15_a_surge_of_locks_raises_an_alarm() {
    let template = template();
    let alarm = properties(&template, "LocksAlarm");
    assert_eq!(names(alarm, 600), ["Locks"]);
    assert_eq!(alarm["Threshold"], "LockSurge");
}

#[test]
fn sms_12_messages_that_are_not_verified_raise_an_alarm() {
    let template = template();
    let alarm = properties(&template, "SmsConversionAlarm");
    assert_eq!(names(alarm, 3_600), ["MessagesSent", "MessagesVerified"]);
    assert_eq!(judged(alarm), "IF(sent >= 50, 100 * FILL(verified, 0) / sent, 100)");
    assert_eq!(alarm["ComparisonOperator"], "LessThanThreshold");
    assert_eq!(alarm["Threshold"], 30);
}

#[test]
fn sms_05_most_of_a_days_money_raises_an_alarm_before_it_is_all_spent() {
    let template = template();
    let alarm = properties(&template, "SmsSpendAlarm");
    assert_eq!(names(alarm, 86_400), ["MessageCostUsd"]);
    assert_eq!(judged(alarm), "100 * cost / ${SmsDailyBudgetUsd}");
    assert_eq!(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold");
    assert!(alarm["Threshold"].as_u64().unwrap() < 100);
}

#[test]
fn every_function_is_watched_for_throttles_and_errors() {
    let template = template();
    for (alarm, metric) in [("ThrottlesAlarm", "Throttles"), ("FunctionErrorsAlarm", "Errors")] {
        let watched = watched(properties(&template, alarm)).into_iter();
        let functions: Vec<&Value> = watched
            .filter(|(found, _)| found["MetricName"] == metric)
            .map(|(found, _)| &found["Dimensions"][0]["Value"])
            .collect();
        let all = resources(&template, "AWS::Serverless::Function");
        assert_eq!(functions.len(), all.len(), "{alarm}");
        assert!(functions.iter().all(|name| all.contains_key(name.as_str().unwrap())), "{alarm}");
    }
    assert_eq!(names(properties(&template, "ServerErrorsAlarm"), 300), ["5xx", "Count"]);
    assert_eq!(properties(&template, "LatencyAlarm")["ExtendedStatistic"], "p99");
}

#[test]
fn the_dashboard_is_json() {
    let template = template();
    let body = properties(&template, "Dashboard")["DashboardBody"].as_str().unwrap();
    // As Fn::Sub leaves it: a value for every name, and `${!…}` as it stands.
    let mut filled = String::new();
    for (n, part) in body.split("${").enumerate() {
        match part.split_once('}') {
            Some((name, rest)) if n > 0 && !name.starts_with('!') => filled.extend(["1", rest]),
            _ => filled.push_str(part),
        }
    }
    let dashboard: serde_json::Value = serde_json::from_str(&filled).unwrap();
    assert!(dashboard["widgets"].as_array().unwrap().len() >= 9);
}

#[test]
fn the_outputs_say_what_to_type_next() {
    let template = template();
    for command in ["init", "doctor"] {
        let outputs = template["Outputs"].as_mapping().unwrap().values();
        let mut lines = outputs.filter_map(|output| output["Value"].as_str());
        let line = lines.find(|line| line.starts_with(&format!("latchkey {command} "))).unwrap();
        for option in [
            "--table ${ServedTable.Value}",
            "--region ${AWS::Region}",
            "--kms-key-id ${ServedKeyringKey.Value}",
        ] {
            assert!(line.contains(option), "{line}");
        }
    }
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    assert_eq!(variables["LATCHKEY_TABLE"], "ServedTable.Value");
    assert_eq!(strings(&template["Outputs"]["TableName"]["Value"]), ["ServedTable.Value".to_owned()].into());
}

#[test]
fn the_deployment_page_explains_every_alarm_and_counts_what_they_cost() {
    let template = template();
    let page = fs::read_to_string(root().join("docs/DEPLOY.md")).unwrap();
    let (mut always, mut with_messages) = (0, 0);
    for (name, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
        let metrics = watched(&alarm["Properties"]).len();
        match alarm["Condition"].as_str() {
            None => always += metrics,
            Some("SendsMessages") => with_messages += metrics,
            Some(other) => assert_eq!(other, "HasSpendLimit"),
        }
    }
    let both = always + with_messages;
    assert!(
        page.contains(&format!("| {always} metrics × $0.10; {both} with text messages |")),
        "{always}, {both}"
    );
}

/// A parameter, resource or output the page names that the template does not have.
#[test]
fn every_name_of_the_deployment_page_exists() {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let page = fs::read_to_string(root().join("docs/DEPLOY.md")).unwrap();
    for word in page.split(|c: char| !c.is_ascii_alphanumeric()) {
        let parts = ["Sms", "Restored", "Truststore", "Keyring", "Storage", "Reserved", "LogRetention"];
        let named = parts.iter().any(|part| word.len() > part.len() && word.starts_with(part));
        assert!(!named || template.contains(&format!("  {word}:")), "{word}");
    }
}
