//! docs/images/overview.svg, the deployment in one picture: drawn from what `template.yaml` says of routes and permissions.
//!
//! `LATCHKEY_TEST_IMAGES=write cargo test --workspace overview` draws it again.

use super::access::statements;
use super::{FUNCTIONS, function, resources, strings, template};
use crate::architecture::root;
use serde_yaml_ng::Value;
use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::{env, fs};

/// A service that functions call: a column of the picture.
struct Column {
    service: &'static str,
    what: String,
    /// What the actions and the resources of the statements about it contain.
    actions: &'static str,
    resource: &'static str,
    /// What is in its place in the local server.
    local: &'static str,
}

fn columns(template: &Value) -> Vec<Column> {
    let [table] = resources(template, "AWS::DynamoDB::Table").into_keys().collect::<Vec<_>>()[..] else {
        panic!("one table")
    };
    assert_eq!(table, "Table");
    let mut columns = vec![Column {
        service: "DynamoDB",
        what: "one table".to_owned(),
        actions: "dynamodb:",
        resource: "table/${ServedTable.Value}",
        local: "embedded engine",
    }];
    for key in resources(template, "AWS::KMS::Key").into_keys() {
        let (what, resource, local) = match key {
            "KeyringKey" => ("opens the keyring", "KeyringKey", "a key in a file"),
            "StorageKey" => ("encrypts storage", "StorageKey", "none"),
            other => panic!("the picture has no place for {other}"),
        };
        columns.push(Column { service: "KMS key", what: what.to_owned(), actions: "kms:", resource, local });
    }
    columns.push(Column {
        service: "SNS",
        what: "text messages".to_owned(),
        actions: "sns:",
        resource: "*",
        local: "an outbox",
    });
    assert_eq!(template["Globals"]["Function"]["LoggingConfig"]["LogGroup"], "FunctionsLog");
    let alarms = resources(template, "AWS::CloudWatch::Alarm").len();
    columns.push(Column {
        service: "CloudWatch",
        what: format!("logs, {alarms} alarms"),
        actions: "logs:",
        resource: "",
        local: "your terminal",
    });
    columns
}

/// What a function may do there: `Get, Query`. SAM lets every function write its log.
fn may(template: &Value, name: &str, column: &Column) -> BTreeSet<String> {
    if column.actions == "logs:" {
        return BTreeSet::from(["write".to_owned()]);
    }
    let mut found = BTreeSet::new();
    for statement in statements(template, name) {
        if statement["Effect"] != "Allow"
            || !statement["Resource"].as_str().unwrap().contains(column.resource)
        {
            continue;
        }
        let through = statement["Condition"]["StringEquals"]["kms:ViaService"].as_str();
        let through = through.map(|service| service.split_once('.').unwrap().0);
        for action in strings(&statement["Action"]) {
            if let Some(action) = action.strip_prefix(column.actions) {
                let action = action.replace("Item", "");
                found.insert(match through {
                    Some("dynamodb") => format!("{action} via DynamoDB"),
                    Some(other) => panic!("the picture has no name for {other}"),
                    None => action,
                });
            }
        }
    }
    found
}

struct Row {
    name: &'static str,
    description: String,
    routes: usize,
    cells: Vec<BTreeSet<String>>,
}

fn rows(template: &Value, columns: &[Column]) -> Vec<Row> {
    let row = |name: &'static str| {
        let properties = function(template, name);
        let description = properties["Description"].as_str().unwrap().strip_prefix("Latchkey: ").unwrap();
        let routes = properties["Events"].as_mapping().unwrap().values();
        let cells: Vec<_> = columns.iter().map(|column| may(template, name, column)).collect();
        let allowed =
            statements(template, name).into_iter().filter(|statement| statement["Effect"] == "Allow");
        for action in allowed.flat_map(|statement| strings(&statement["Action"])) {
            let (_, verb) = action.split_once(':').unwrap();
            let drawn =
                joined(&cells.iter().flatten().cloned().collect()).contains(&verb.replace("Item", ""));
            assert!(drawn, "the picture has no place for {action} of {name}");
        }
        Row {
            name,
            description: description.trim_end_matches('.').to_owned(),
            routes: routes.filter(|event| event["Properties"].get("Path").is_some()).count(),
            cells,
        }
    };
    FUNCTIONS.map(row).into()
}

fn joined(actions: &BTreeSet<String>) -> String {
    actions.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The picture in one sentence, for the documents.
fn summary(columns: &[Column], rows: &[Row]) -> String {
    let routes: usize = rows.iter().map(|row| row.routes).sum();
    let keys = columns.iter().filter(|column| column.service == "KMS key").count();
    format!(
        "Your application, with the official WorkOS SDK, calls API Gateway, which passes {routes} routes to {functions} functions. \
         Each may do only what the picture says with the DynamoDB table, the {keys} KMS keys, SNS and CloudWatch. \
         On your machine, cargo run serves the same routes from one process.",
        functions = rows.len(),
    )
}

/// The picture in words: every cell that is not empty.
fn description(columns: &[Column], rows: &[Row]) -> String {
    let mut text = summary(columns, rows);
    for row in rows {
        let cells = columns.iter().zip(&row.cells).filter(|(_, cell)| !cell.is_empty());
        let cells =
            cells.map(|(column, cell)| format!("{} ({}) {}", column.service, column.what, joined(cell)));
        write!(text, " {}: {}; {}.", row.name, row.description, cells.collect::<Vec<_>>().join("; "))
            .unwrap();
    }
    let local = columns.iter().map(|column| format!("{} ({}) {}", column.service, column.what, column.local));
    write!(text, " In their place on your machine: {}.", local.collect::<Vec<_>>().join("; ")).unwrap();
    text
}

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.b{font-weight:600;font-size:14px}.s{font-size:12px}\
.m{font-size:12px;fill:#59636e}.page{fill:#fff}.area{fill:none;stroke:#8c959f;stroke-dasharray:5 4}\
.lane{fill:#f0f3f6}.box{fill:#fff;stroke:#8c959f}.ours{fill:#dcf3ea;stroke:#1a7f64}.may{fill:#1a7f64}.on{fill:#fff;font-size:12px}\
.line{fill:none;stroke:#59636e;stroke-width:1.5}.head{fill:#59636e}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.m{fill:#9198a1}.page{fill:#0d1117}.area{stroke:#6e7681}\
.lane{fill:#161b22}.box{fill:#0d1117;stroke:#6e7681}.ours{fill:#12392f;stroke:#3fb98f}.may{fill:#3fb98f}.on{fill:#0d1117}\
.line{stroke:#9198a1}.head{fill:#9198a1}}";

const WIDTH: u32 = 960;
/// The boxes on the left: what a request passes through.
const LEFT: u32 = 64;
const BOX: u32 = 224;
/// The columns of the services.
const LANES: u32 = 312;
const LANE: u32 = 122;
const GAP: u32 = 4;
const ROW: u32 = 62;

/// The elements of an SVG file.
struct Drawing(String);

impl Drawing {
    fn rect(&mut self, class: &str, [x, y, width, height]: [u32; 4]) {
        let rect =
            format!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>"#);
        writeln!(self.0, "{rect}").unwrap();
    }

    fn text(&mut self, class: &str, [x, y]: [u32; 2], text: impl Display) {
        writeln!(self.0, r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#).unwrap();
    }

    fn centered(&mut self, class: &str, [x, y]: [u32; 2], text: impl Display) {
        writeln!(self.0, r#"<text class="{class}" x="{x}" y="{y}" text-anchor="middle">{text}</text>"#)
            .unwrap();
    }

    /// Lines of text in the middle of a field.
    fn words(&mut self, class: &str, [x, y, width, height]: [u32; 4], text: &str) {
        let lines = wrapped(text, 17);
        let mut line = y + height / 2 + 4 - 8 * (u32::try_from(lines.len()).unwrap() - 1);
        for text in lines {
            self.centered(class, [x + width / 2, line], text);
            line += 16;
        }
    }

    /// A line to the right, to a box.
    fn arrow(&mut self, path: &str, [x, y]: [u32; 2]) {
        let (tail, above, below) = (x - 8, y - 5, y + 5);
        writeln!(self.0, r#"<path class="line" d="{path} H{tail}"/>"#).unwrap();
        writeln!(self.0, r#"<path class="head" d="M{x} {y} L{tail} {above} V{below}z"/>"#).unwrap();
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + word.len() < width {
            *line = format!("{line} {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn svg(columns: &[Column], rows: &[Row]) -> String {
    let mut drawing = Drawing(String::new());
    let lane = |index: usize| LANES + u32::try_from(index).unwrap() * (LANE + GAP);
    let gateway = 128;
    let functions = gateway + 66;
    let end = functions + ROW * u32::try_from(rows.len()).unwrap();
    let local = end + 44;
    let height = local + 82;

    drawing.rect("page", [0, 0, WIDTH, height]);
    drawing.rect("box", [LEFT - 24, 16, BOX + 24, 52]);
    drawing.text("b", [LEFT - 10, 38], "Your application");
    drawing.text("s", [LEFT - 10, 56], "with the official WorkOS SDK");
    drawing.text("m", [LANES, 38], "Two settings lead it to Latchkey: the base URL and the API key.");
    drawing.text(
        "m",
        [LANES, 56],
        "In your account, each function may do what its row shows, and nothing else.",
    );

    drawing.rect("area", [28, 92, WIDTH - 40, end - 92 + 10]);
    drawing.text("b", [LEFT - 10, 114], "In your AWS account");
    drawing.rect("area", [28, local - 18, WIDTH - 40, 88]);
    drawing.text("b", [LEFT - 10, local + 2], "On your machine: cargo run");
    for (index, column) in columns.iter().enumerate() {
        drawing.rect("lane", [lane(index), 102, LANE, end - 102]);
        drawing.centered("b", [lane(index) + LANE / 2, 124], column.service);
        drawing.words("s", [lane(index), 128, LANE, 40], &column.what);
        drawing.rect("lane", [lane(index), local - 8, LANE, 68]);
        let place = [lane(index) + 6, local + 10, LANE - 12, 42];
        let class = if column.local == "none" { "m" } else { "s" };
        drawing.words(class, place, column.local);
    }

    drawing.rect("box", [LEFT, gateway, BOX, 44]);
    drawing.text("b", [LEFT + 12, gateway + 19], "API Gateway");
    let routes: usize = rows.iter().map(|row| row.routes).sum();
    drawing.text("s", [LEFT + 12, gateway + 36], format!("HTTP API, {routes} routes"));
    drawing.arrow(&format!("M{x} 42 H16 V{y}", x = LEFT - 24, y = gateway + 22), [LEFT, gateway + 22]);
    drawing.arrow(&format!("M16 {from} V{y}", from = gateway + 22, y = local + 32), [LEFT, local + 32]);

    for (index, row) in rows.iter().enumerate() {
        let top = functions + ROW * u32::try_from(index).unwrap();
        let middle = top + 26;
        let from = if index == 0 { gateway + 34 } else { middle - ROW };
        let start = if index == 0 { format!("M{LEFT} {from} H46") } else { format!("M46 {from}") };
        drawing.arrow(&format!("{start} V{middle}"), [LEFT + 12, middle]);
        drawing.rect("ours", [LEFT + 12, top, BOX - 12, ROW - 10]);
        drawing.text("b", [LEFT + 22, top + 17], format!("{}: {} routes", row.name, row.routes));
        for (line, text) in (0..).zip(wrapped(&row.description, 33)) {
            drawing.text("s", [LEFT + 22, top + 32 + 14 * line], text);
        }
        for (index, cell) in row.cells.iter().enumerate() {
            let place = [lane(index) + 6, top + 5, LANE - 12, ROW - 20];
            if cell.is_empty() {
                drawing.words("m", place, "nothing");
            } else {
                drawing.rect("may", place);
                drawing.words("on", place, &joined(cell));
            }
        }
    }

    drawing.rect("ours", [LEFT, local + 10, BOX, 44]);
    drawing.text("b", [LEFT + 12, local + 28], "latchkey serve");
    drawing.text("s", [LEFT + 12, local + 45], "the same routes in one process");
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d">
<title id="t">Latchkey, in your AWS account and on your machine</title>
<desc id="d">{}</desc>
<style>{STYLE}</style>
{}</svg>
"#,
        description(columns, rows),
        drawing.0
    )
}

#[test]
fn the_overview_is_drawn_from_the_template() {
    let template = template();
    let columns = columns(&template);
    let rows = rows(&template, &columns);
    let (picture, expected) = (root().join("docs/images/overview.svg"), svg(&columns, &rows));
    let documents =
        [("README.md", "docs/images/overview.svg"), ("docs/ARCHITECTURE.md", "images/overview.svg")];
    if env::var_os("LATCHKEY_TEST_IMAGES").is_some_and(|mode| mode == "write") {
        fs::write(&picture, &expected).unwrap();
    }
    assert!(
        fs::read_to_string(picture).unwrap() == expected,
        "template.yaml has changed: LATCHKEY_TEST_IMAGES=write cargo test --workspace overview draws docs/images/overview.svg again"
    );
    for (document, path) in documents {
        let image = format!("![{}]({path})", summary(&columns, &rows));
        assert!(
            fs::read_to_string(root().join(document)).unwrap().contains(&image),
            "{document} needs {image}"
        );
    }
}
