//! What template.yaml deploys, once its parameters have values: routes, and of each function its variables and policies.
//!
//! Reads as much of `CloudFormation` as the template uses, and refuses the rest.

mod intrinsic;

use crate::Failure;
use crate::iam::{Effect, Statement};
use crate::route::Route;
use intrinsic::Scope;
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A function as it is deployed.
pub(crate) struct Function {
    /// The binary it is built from.
    pub(crate) name: String,
    /// What it is called in the account.
    pub(crate) deployed_as: String,
    pub(crate) memory_mb: String,
    pub(crate) timeout: Duration,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) statements: Vec<Statement>,
}

/// Everything a stack of the template has that requests pass.
pub(crate) struct Stack {
    pub(crate) functions: Vec<Function>,
    pub(crate) routes: Vec<Route>,
}

impl Stack {
    /// The stack of the template in `file`. `given` are parameters that do not keep their default, `made` what
    /// `CloudFormation` would have made: `Table` and `KeyringKey.Arn`, by what `!Ref` and `!GetAtt` say.
    pub(crate) fn read(file: &Path, given: &[(&str, &str)], made: &[(&str, &str)]) -> Result<Self, Failure> {
        let template: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(file)?)?;
        let scope = Scope::new(&template, given, made);
        let mut stack = Self { functions: Vec::new(), routes: Vec::new() };
        for resource in template["Resources"].as_mapping().into_iter().flat_map(|all| all.values()) {
            if resource["Type"] == "AWS::Serverless::Function" {
                let name = text(&resource["Metadata"]["BuildProperties"]["Binary"])?;
                stack.functions.push(function(&template, &scope, &name, &resource["Properties"])?);
                stack.routes.extend(routes(&name, &resource["Properties"]["Events"])?);
            }
        }
        Ok(stack)
    }
}

fn function(template: &Value, scope: &Scope<'_>, name: &str, own: &Value) -> Result<Function, Failure> {
    let shared = &template["Globals"]["Function"];
    let setting = |name: &str| scope.text(own.get(name).unwrap_or(&shared[name]));
    let mut variables = BTreeMap::new();
    for source in [shared, own] {
        for (name, value) in source["Environment"]["Variables"].as_mapping().into_iter().flatten() {
            variables.insert(text(name)?, scope.text(value)?);
        }
    }
    let mut statements = Vec::new();
    for policy in own["Policies"].as_sequence().into_iter().flatten() {
        let (source, document) = match policy {
            Value::Tagged(reference) if reference.tag == "Ref" => {
                let shared = text(&reference.value)?;
                let document = &template["Resources"][shared.as_str()]["Properties"]["PolicyDocument"];
                (shared, document)
            }
            own => ("own".to_owned(), own),
        };
        for written in document["Statement"].as_sequence().ok_or("a policy without statements")? {
            statements.push(statement(&source, &scope.value(written)?)?);
        }
    }
    Ok(Function {
        name: name.to_owned(),
        deployed_as: setting("FunctionName")?,
        memory_mb: setting("MemorySize")?,
        timeout: Duration::from_secs(setting("Timeout")?.parse()?),
        variables,
        statements,
    })
}

fn routes(function: &str, events: &Value) -> Result<Vec<Route>, Failure> {
    let events = events.as_mapping().into_iter().flat_map(|events| events.values());
    events
        .map(|event| {
            let route = &event["Properties"];
            let key = match route.get("Path") {
                Some(path) => format!("{} {}", text(&route["Method"])?, text(path)?),
                None => "$default".to_owned(),
            };
            Ok(Route { key, function: function.to_owned() })
        })
        .collect()
}

/// A statement whose intrinsics have been replaced.
fn statement(policy: &str, written: &Value) -> Result<Statement, Failure> {
    let mut conditions = Vec::new();
    for (operator, keys) in written["Condition"].as_mapping().into_iter().flatten() {
        for (key, values) in keys.as_mapping().ok_or("a condition without keys")? {
            conditions.push((text(operator)?.parse()?, text(key)?, texts(values)?));
        }
    }
    Ok(Statement {
        name: format!("{policy}/{}", text(&written["Sid"])?),
        effect: match text(&written["Effect"])?.as_str() {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            other => return Err(format!("the effect {other}").into()),
        },
        actions: texts(&written["Action"])?,
        resources: texts(&written["Resource"])?,
        conditions,
    })
}

fn texts(list: &Value) -> Result<Vec<String>, Failure> {
    match list {
        Value::Sequence(items) => items.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

/// A scalar as `CloudFormation` takes it: everything is text in the end.
fn text(value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => Err(format!("{other:?} is no text").into()),
    }
}
