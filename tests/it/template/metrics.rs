//! The metric filters: what `CloudWatch` counts from the functions' log, played on the lines of the real server.

use super::{properties, resources, template};
use crate::app::{App, logged, other_than};
use crate::architecture::root;
use crate::audit::line_of;
use cli::serve::faults::{Fault, Faults};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::http::{Operation, ROUTES};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A metric, and the names of the dimensions it is published under.
pub(super) type Metric = (String, Vec<String>);

/// A metric filter, as `CloudWatch` Logs has it.
struct Filter {
    pattern: String,
    metric: Metric,
    /// A number, or the field it is taken from.
    value: String,
    unit: String,
    /// The fields that the dimensions are taken from.
    fields: Vec<String>,
}

fn filters() -> Vec<Filter> {
    let template = template();
    let filters = resources(&template, "AWS::Logs::MetricFilter").into_values();
    filters
        .map(|filter| {
            let filter = &filter["Properties"];
            assert_eq!(filter["LogGroupName"], "FunctionsLog");
            let [to] = filter["MetricTransformations"].as_sequence().unwrap().as_slice() else {
                panic!("a filter makes one metric")
            };
            let text = |value: &serde_yaml_ng::Value| value.as_str().unwrap().to_owned();
            assert_eq!(to["MetricNamespace"], "Latchkey");
            assert!(to.get("DefaultValue").is_none(), "a filter with dimensions cannot have one");
            let dimensions = to["Dimensions"].as_sequence().unwrap().iter();
            let (names, fields) =
                dimensions.map(|dimension| (text(&dimension["Key"]), text(&dimension["Value"]))).unzip();
            Filter {
                pattern: text(&filter["FilterPattern"]),
                metric: (text(&to["MetricName"]), names),
                value: text(&to["MetricValue"]),
                unit: text(&to["Unit"]),
                fields,
            }
        })
        .collect()
}

/// Every metric that a filter publishes.
pub(super) fn published() -> BTreeSet<Metric> {
    filters().into_iter().map(|filter| filter.metric).collect()
}

impl Filter {
    /// What the filter publishes for a line of the log: `Requests 1 [latchkey verify]`.
    fn datapoint(&self, line: &Value) -> Option<String> {
        if !matches(&self.pattern, line) {
            return None;
        }
        let field = |selector: &str| line[selector.strip_prefix("$.").unwrap()].to_string();
        let value = if self.value.starts_with("$.") { field(&self.value) } else { self.value.clone() };
        assert!(value.parse::<f64>().is_ok(), "{value} is no value for a metric");
        let dimensions: Vec<String> =
            self.fields.iter().map(|selector| field(selector).replace('"', "")).collect();
        Some(format!("{} {value} [{}]", self.metric.0, dimensions.join(" ")))
    }
}

/// Whether a JSON filter pattern matches: the part of the syntax that the template uses. `{ a && (b || c) }`, each term a
/// text that is equal, a text (`"*"`) or a number (`*`) that is there, the number 0, a field that is true, or none.
fn matches(pattern: &str, line: &Value) -> bool {
    let inside = pattern.strip_prefix("{ ").and_then(|rest| rest.strip_suffix(" }"));
    inside.unwrap_or_else(|| panic!("{pattern}")).split(" && ").all(|clause| {
        let group = clause.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        group.unwrap_or(clause).split(" || ").any(|term| holds(term, line))
    })
}

fn holds(term: &str, line: &Value) -> bool {
    let (selector, rest) = term.split_once(' ').unwrap_or_else(|| panic!("{term}"));
    let name = selector.strip_prefix("$.").unwrap_or_else(|| panic!("{term}"));
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{term}");
    let value = &line[name];
    match rest {
        "IS TRUE" => *value == true,
        "NOT EXISTS" => value.is_null(),
        "= *" => value.is_number(),
        "= 0" => *value == 0,
        r#"= "*""# => value.is_string(),
        _ => {
            let text = rest.strip_prefix("= \"").and_then(|rest| rest.strip_suffix('"'));
            value == text.unwrap_or_else(|| panic!("{term}"))
        }
    }
}

/// What is counted of a line, in the order of the names.
fn counted(line: &Value) -> Vec<String> {
    let mut counted: Vec<String> = filters().iter().filter_map(|filter| filter.datapoint(line)).collect();
    counted.sort();
    counted
}

#[test]
fn the_patterns_are_matched_as_cloudwatch_matches_them() {
    let line = json!({"operation": "verify", "outcome": "wrong", "ms": 0, "sent": true, "no": false});
    for (pattern, expected) in [
        (r#"{ $.operation = "verify" }"#, true),
        (r#"{ $.operation = "Verify" }"#, false),
        (r#"{ $.operation = "*" && $.ms = * }"#, true),
        (r#"{ $.operation = "*" && $.country = "*" }"#, false),
        ("{ $.us = * }", false),
        (r#"{ ($.outcome = "wrong" || $.outcome = "replayed") && $.operation = "*" }"#, true),
        (r#"{ ($.outcome = "ok" || $.outcome = "replayed") && $.operation = "*" }"#, false),
        ("{ $.sent IS TRUE }", true),
        ("{ $.no IS TRUE }", false),
        ("{ $.missing IS TRUE }", false),
        ("{ $.missing NOT EXISTS }", true),
        ("{ $.ms NOT EXISTS }", false),
        ("{ $.ms = 0 }", true),
        ("{ $.missing = 0 }", false),
    ] {
        assert_eq!(matches(pattern, &line), expected, "{pattern}");
    }
}

/// A pattern names the field of its value and those of its dimensions, so none is published without them.
#[test]
fn a_filter_asks_for_every_field_that_it_uses() {
    let filters = filters();
    assert!(filters.len() <= 100, "the limit of a log group");
    for Filter { pattern, metric, value, fields, .. } in filters {
        assert!(pattern.len() <= 1_024 && fields.len() <= 3, "{metric:?}");
        let value = value.starts_with("$.").then(|| format!("{value} = *"));
        let dimensions = fields.iter().map(|field| format!("{field} = \"*\""));
        for term in value.into_iter().chain(dimensions) {
            let outside = pattern.trim_matches(['{', '}', ' ']).split(" && ");
            assert!(outside.into_iter().any(|clause| clause == term), "{metric:?}: {pattern} lacks {term}");
        }
        for (name, field) in metric.1.iter().zip(&fields) {
            assert_eq!(*field, format!("$.{name}"), "{metric:?}");
        }
    }
}

struct Verifying<'a> {
    app: &'a App,
    path: String,
}

impl<'a> Verifying<'a> {
    fn of(app: &'a App, challenge: &str) -> Self {
        Self { app, path: format!("/auth/challenges/{challenge}/verify") }
    }

    async fn counted(&self, code: &str) -> Vec<String> {
        more_than_a_request(&self.line(code).await)
    }

    async fn line(&self, code: &str) -> Value {
        let request = self.app.authorized(Method::POST, &self.path);
        line_of(request.json(&json!({ "code": code }))).await
    }
}

/// What is counted of a line beside what is counted of every line.
fn more_than_a_request(line: &Value) -> Vec<String> {
    let (mut counted, operation) = (counted(line), line["operation"].as_str().unwrap());
    for metric in ["Requests 1".to_owned(), format!("Latency {}", line["ms"])] {
        for dimensions in ["latchkey".to_owned(), format!("latchkey {operation}")] {
            let datapoint = format!("{metric} [{dimensions}]");
            let at = counted.iter().position(|found| *found == datapoint);
            counted.remove(at.unwrap_or_else(|| panic!("{datapoint} of {line}")));
        }
    }
    counted
}

#[tokio::test(flavor = "multi_thread")]
async fn log_08_metrics_count_the_codes_of_an_authenticator() {
    let app = App::start().await;
    let (totp, open) = app.challenged().await;
    let (right, wrong) = (app.code_of(&totp, 0), app.wrong_code(&totp));
    let path = format!("/auth/factors/{}/challenge", totp.id);
    let challenge = line_of(app.authorized(Method::POST, &path)).await;
    assert_eq!(more_than_a_request(&challenge), [""; 0]);

    let verify = Verifying::of(&app, &open);
    assert_eq!(verify.counted(&wrong).await, ["Failures 1 [latchkey]"]);
    assert_eq!(verify.counted(&right).await, ["Verified 1 [latchkey]"]);
    assert_eq!(verify.counted(&right).await, [""; 0], "refused: nothing was compared");
    let verify = Verifying::of(&app, &app.challenge(&totp.id).await);
    let replayed = verify.line(&right).await;
    assert_eq!(replayed["outcome"], "replayed");
    assert_eq!(more_than_a_request(&replayed), ["Failures 1 [latchkey]"]);
    for _ in 0..3 {
        assert_eq!(verify.counted(&wrong).await, ["Failures 1 [latchkey]"]);
    }
    // The fifth failure in a row.
    let verify = Verifying::of(&app, &app.challenge(&totp.id).await);
    assert_eq!(verify.counted(&wrong).await, ["Failures 1 [latchkey]", "Locks 1 [latchkey]"]);
    assert_eq!(verify.counted(&wrong).await, [""; 0], "refused: the factor is locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_08_metrics_count_messages_their_cost_and_what_comes_of_them() {
    let app = App::start().await;
    let factor = app.enroll_phone("+447400123457").await;
    let challenge = || app.authorized(Method::POST, &format!("/auth/factors/{factor}/challenge"));
    assert_eq!(
        more_than_a_request(&line_of(challenge()).await),
        [
            "MessageCostUsd 0.1 [latchkey GB]",
            "MessageCostUsd 0.1 [latchkey]",
            "MessagesSent 1 [latchkey GB]",
            "MessagesSent 1 [latchkey]",
            "MessagesVerified 0 [latchkey GB]",
        ]
    );
    let refused = line_of(challenge()).await;
    assert_eq!((&refused["code"], &refused["country"]), (&json!("sms_send_limit_exceeded"), &json!("GB")));
    assert_eq!(more_than_a_request(&refused), [""; 0], "no message");
    app.advance(30);
    let line = line_of(challenge()).await;
    let id = format!("auth_challenge_{}", line["challenge"].as_str().unwrap());
    let (verify, code) = (Verifying::of(&app, &id), app.last_code());
    assert_eq!(verify.counted(other_than(&code)).await, ["Failures 1 [latchkey]"]);
    assert_eq!(
        verify.counted(&code).await,
        ["MessagesVerified 1 [latchkey GB]", "MessagesVerified 1 [latchkey]", "Verified 1 [latchkey]"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn log_08_metrics_count_faults() {
    let app = App::start_with_faults(Faults::none()).await;
    let (totp, open) = app.challenged().await;
    app.faults().plan(|call| (call.operation == "GetItem").then_some(Fault::Throttle));
    let line = Verifying::of(&app, &open).line(&app.code_of(&totp, 0)).await;
    assert_eq!(more_than_a_request(&line), ["Faults 1 [latchkey verify]", "Faults 1 [latchkey]"]);
    // The line with the cause is in the same log, and is not counted.
    let (logs, id) = (logged(), line["request_id"].as_str().unwrap());
    let lines = logs.lines().filter(|line| line.contains(id) && !line.contains("\"schema\""));
    let [cause] = lines.collect::<Vec<_>>()[..] else { panic!("one line with the cause") };
    assert_eq!(counted(&serde_json::from_str(cause).unwrap()), [""; 0], "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_08_every_operation_is_counted() {
    let app = App::start().await;
    let totp = app.enroll_totp().await;
    let get = |path: &str| app.authorized(Method::GET, path);
    let one = format!("/auth/factors/{}", totp.id);
    let requests: [(RequestBuilder, &str); 5] = [
        (app.authorized(Method::POST, "/auth/factors/enroll").json(&json!({})), "enroll"),
        (get(&one), "read"),
        (get("/auth/factors?user_id=u"), "list"),
        (app.authorized(Method::DELETE, &one), "delete"),
        (get("/nowhere"), "none"),
    ];
    for (request, operation) in requests {
        let line = line_of(request).await;
        assert_eq!(line["operation"], operation);
        assert_eq!(more_than_a_request(&line), [""; 0]);
    }
}

/// The page has a row per metric with its unit and dimensions, and counts what they cost.
#[test]
fn the_documents_list_every_metric_and_count_them() {
    let events = fs::read_to_string(root().join("docs/EVENTS.md")).unwrap();
    let (_, table) = events.split_once("\n## Metrics\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<String> =
        rows.map(|row| row.split(" | ").take(3).collect::<Vec<_>>().join(" | ")).collect();
    let mut metrics: BTreeMap<(String, String), BTreeSet<Vec<String>>> = BTreeMap::new();
    for filter in filters() {
        metrics.entry((filter.metric.0, filter.unit)).or_default().insert(filter.metric.1);
    }
    let rows = metrics.into_iter().map(|((name, unit), dimensions)| {
        let unit = match unit.as_str() {
            "Count" => "count",
            "Milliseconds" => "ms",
            "None" => "US dollars",
            other => panic!("{other}"),
        };
        let dimensions: Vec<String> = dimensions.iter().map(|names| names.join(", ")).collect();
        format!("| `{name}` | {unit} | {}", dimensions.join("; "))
    });
    assert_eq!(documented, rows.collect());

    let published = published();
    let by = |dimensions: &[&str]| published.iter().filter(|(_, names)| names == dimensions).count();
    let operations: BTreeSet<&str> = ROUTES.iter().map(|route| <&str>::from(route.operation)).collect();
    assert!(operations.contains(<&str>::from(Operation::Verify)));
    let row = format!(
        "| metrics | ({} of the table + {} × {} of its operations + {} per country) × $0.30",
        by(&["table"]),
        by(&["table", "operation"]),
        // And `none`.
        operations.len() + 1,
        by(&["table", "country"]),
    );
    let page = fs::read_to_string(root().join("docs/DEPLOY.md")).unwrap();
    assert!(page.contains(&row), "{row}");
    let filters = format!("| {} metric filters |", resources(&template(), "AWS::Logs::MetricFilter").len());
    assert!(page.contains(&filters), "{filters}");
}

/// A metric that the dashboard shows and no filter publishes would be an empty graph.
#[test]
fn the_dashboard_shows_what_is_published_and_all_of_it() {
    let template = template();
    let body = properties(&template, "Dashboard")["DashboardBody"].as_str().unwrap();
    let mut shown = BTreeSet::new();
    for part in body.split(r#"["Latchkey", ""#).skip(1) {
        let (name, rest) = part.split_once('"').unwrap();
        assert!(rest.starts_with(r#", "table", "${ServedTable.Value}""#), "{name}");
        shown.insert((name.to_owned(), vec!["table".to_owned()]));
    }
    for part in body.split("SEARCH('{Latchkey,").skip(1) {
        let (names, rest) = part.split_once('}').unwrap();
        let (_, name) = rest.split_once(r#"MetricName=\""#).unwrap();
        let name = name.split('\\').next().unwrap().to_owned();
        shown.insert((name, names.split(',').map(str::to_owned).collect()));
    }
    let published = published();
    assert!(shown.is_subset(&published), "{:?}", shown.difference(&published));
    let names = |metrics: &BTreeSet<Metric>| metrics.iter().map(|(name, _)| name.clone()).collect();
    let (shown, published): (BTreeSet<String>, BTreeSet<String>) = (names(&shown), names(&published));
    assert_eq!(shown, published);
}
