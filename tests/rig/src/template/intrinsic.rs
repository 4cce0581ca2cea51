//! `CloudFormation`'s intrinsic functions: `!Ref`, `!GetAtt`, `!Sub`, `!If` and what conditions are made of.

use super::text;
use crate::Failure;
use crate::access::{ACCOUNT, REGION};
use serde_yaml_ng::{Mapping, Value};
use std::collections::BTreeMap;

/// The stack's name: it begins the names of what is made.
const STACK: &str = "latchkey";

/// What names in a template stand for.
pub(super) struct Scope<'a> {
    template: &'a Value,
    known: BTreeMap<String, String>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(template: &'a Value, given: &[(&str, &str)], made: &[(&str, &str)]) -> Self {
        let mut known = BTreeMap::new();
        for (name, parameter) in template["Parameters"].as_mapping().into_iter().flatten() {
            if let (Some(name), Ok(value)) = (name.as_str(), text(&parameter["Default"])) {
                known.insert(name.to_owned(), value);
            }
        }
        let pseudo = [
            ("AWS::Partition", "aws"),
            ("AWS::Region", REGION),
            ("AWS::AccountId", ACCOUNT),
            ("AWS::StackName", STACK),
        ];
        let all = pseudo.iter().chain(given).chain(made);
        known.extend(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { template, known }
    }

    pub(super) fn text(&self, value: &Value) -> Result<String, Failure> {
        text(&self.value(value)?)
    }

    /// `value` with every intrinsic in it replaced.
    pub(super) fn value(&self, value: &Value) -> Result<Value, Failure> {
        match value {
            Value::Sequence(items) => {
                Ok(Value::Sequence(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?))
            }
            Value::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((key.clone(), self.value(value)?)));
                Ok(Value::Mapping(entries.collect::<Result<Mapping, Failure>>()?))
            }
            Value::Tagged(call) => match call.tag.to_string().trim_start_matches('!') {
                "Ref" | "GetAtt" => Ok(Value::String(self.name(&text(&call.value)?)?)),
                "Sub" => Ok(Value::String(self.substituted(&text(&call.value)?)?)),
                "If" => {
                    let condition = self.condition(&text(&call.value[0])?)?;
                    self.value(&call.value[if condition { 1 } else { 2 }])
                }
                other => Err(format!("the template uses !{other}, which the rig does not know").into()),
            },
            plain => Ok(plain.clone()),
        }
    }

    /// What `!Ref` or `!GetAtt` says of a name. A parameter of SSM says its value.
    fn name(&self, name: &str) -> Result<String, Failure> {
        if let Some(value) = self.known.get(name) {
            return Ok(value.clone());
        }
        let resource = name.strip_suffix(".Value").map(|name| &self.template["Resources"][name]);
        match resource {
            Some(resource) if resource["Type"] == "AWS::SSM::Parameter" => {
                self.text(&resource["Properties"]["Value"])
            }
            _ => Err(format!("nothing says what {name} is").into()),
        }
    }

    fn substituted(&self, pattern: &str) -> Result<String, Failure> {
        let mut parts = pattern.split("${");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').ok_or("a ${ without its }")?;
            filled.push_str(&self.name(name)?);
            filled.push_str(rest);
        }
        Ok(filled)
    }

    fn condition(&self, name: &str) -> Result<bool, Failure> {
        self.holds(&self.template["Conditions"][name])
    }

    fn holds(&self, condition: &Value) -> Result<bool, Failure> {
        let Value::Tagged(call) = condition else {
            return Err(format!("{condition:?}: no condition").into());
        };
        match call.tag.to_string().trim_start_matches('!') {
            "Condition" => self.condition(&text(&call.value)?),
            "Equals" => Ok(self.text(&call.value[0])? == self.text(&call.value[1])?),
            "Not" => Ok(!self.holds(&call.value[0])?),
            "And" => Ok(self.holds(&call.value[0])? && self.holds(&call.value[1])?),
            other => Err(format!("the template uses !{other}, which the rig does not know").into()),
        }
    }
}
