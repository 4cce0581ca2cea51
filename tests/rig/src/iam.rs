//! IAM's decision about one access: a Deny that matches ends it, an Allow that matches lets it pass, silence refuses.

use crate::Failure;
use crate::access::Access;
use std::str::FromStr;

/// What a statement does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// How a condition compares the values of a request with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// The request has the key, and its value is one of these.
    StringEquals,
    /// Every value the request has under the key is one of these; it may have none.
    ForAllValuesStringEquals,
}

/// A statement of a policy.
pub(crate) struct Statement {
    /// The policy and the statement's id: `KeyringPolicy/OpenTheKeyring`.
    pub(crate) name: String,
    pub(crate) effect: Effect,
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) conditions: Vec<(Operator, String, Vec<String>)>,
}

impl FromStr for Operator {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        match text {
            "StringEquals" => Ok(Self::StringEquals),
            "ForAllValues:StringEquals" => Ok(Self::ForAllValuesStringEquals),
            other => Err(format!("a policy uses {other}, which the rig does not know").into()),
        }
    }
}

impl Statement {
    fn matches(&self, access: &Access) -> bool {
        let conditions = &mut self.conditions.iter();
        self.actions.iter().any(|pattern| is_like(&access.action, pattern))
            && self.resources.iter().any(|pattern| is_like(&access.resource, pattern))
            && conditions.all(|(operator, key, allowed)| {
                let given = access.context.get(key).map(Vec::as_slice).unwrap_or_default();
                let allowed = given.iter().all(|value| allowed.contains(value));
                allowed && (*operator == Operator::ForAllValuesStringEquals || !given.is_empty())
            })
    }
}

/// The name of the statement that allows an access.
///
/// # Errors
///
/// Why it is refused.
pub(crate) fn decide<'a>(statements: &'a [Statement], access: &Access) -> Result<&'a str, String> {
    let mut matching = statements.iter().filter(|statement| statement.matches(access));
    if let Some(denied) = matching.clone().find(|statement| statement.effect == Effect::Deny) {
        return Err(format!("{} denies {access}", denied.name));
    }
    matching.next().map(|statement| statement.name.as_str()).ok_or_else(|| format!("nothing allows {access}"))
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(text) = text.strip_prefix(start) else { return false };
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.any(|at| text.get(at..).is_some_and(|text| is_like(text, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(effect: Effect, action: &str, resource: &str) -> Statement {
        let list = |text: &str| vec![text.to_owned()];
        let (actions, resources) = (list(action), list(resource));
        Statement { name: "p/s".to_owned(), effect, actions, resources, conditions: Vec::new() }
    }

    fn access(action: &str, resource: &str, context: &[(&str, &[&str])]) -> Access {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let context = context.iter().map(|(key, list)| ((*key).to_owned(), values(list))).collect();
        Access { action: action.to_owned(), resource: resource.to_owned(), context }
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (text, pattern, like) in [
            ("arn:aws:sns:us-east-1:1:topic", "arn:aws:sns:*:*:*", true),
            ("+15005550006", "arn:aws:sns:*:*:*", false),
            ("+15005550006", "*", true),
            ("table/a", "table/a", true),
            ("table/a/index/b", "table/a", false),
            ("table/a/index/b", "table/a/*", true),
        ] {
            assert_eq!(is_like(text, pattern), like, "{text} {pattern}");
        }
    }

    #[test]
    fn a_deny_is_stronger_and_silence_refuses() {
        let publish =
            [statement(Effect::Allow, "sns:Publish", "*"), statement(Effect::Deny, "sns:*", "arn:*")];
        assert_eq!(decide(&publish, &access("sns:Publish", "+15005550006", &[])), Ok("p/s"));
        assert!(decide(&publish, &access("sns:Publish", "arn:aws:sns:us-east-1:1:topic", &[])).is_err());
        assert!(decide(&publish, &access("sns:Subscribe", "+15005550006", &[])).is_err());
    }

    #[test]
    fn a_condition_asks_for_the_key_or_for_all_its_values() {
        let with = |operator, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let conditions = vec![(operator, "keys".to_owned(), values)];
            [Statement { conditions, ..statement(Effect::Allow, "a", "*") }]
        };
        let asked = |context: &[(&str, &[&str])]| access("a", "r", context);
        let one = with(Operator::StringEquals, &["x"]);
        let all = with(Operator::ForAllValuesStringEquals, &["x", "y"]);
        for (context, by_one, by_all) in [
            (&[][..], false, true),
            (&[("keys", &["x"][..])], true, true),
            (&[("keys", &["x", "y"])], false, true),
            (&[("keys", &["x", "z"])], false, false),
        ] {
            let access = asked(context);
            assert_eq!((decide(&one, &access).is_ok(), decide(&all, &access).is_ok()), (by_one, by_all));
        }
    }
}
