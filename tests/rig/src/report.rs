//! The report: calls and the statements that allow them, permissions that were never used, and how the functions ran.

use crate::iam::{Effect, Statement};
use crate::lambda::Lambda;
use crate::record::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Permissions that no call on this machine can need, by action and statement, with the reason.
const UNUSED: [(&str, &str, &str); 1] = [(
    "kms:Decrypt",
    "TablePolicy/OpenTheTable",
    "DynamoDB itself asks for it, in the function's name; no engine on one machine encrypts its tables",
)];

/// What was seen of one function.
pub(crate) struct Seen {
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) record: Record,
}

/// Prints everything. Whether all is as the policies say; unused permissions matter only if `complete`, when everything the
/// functions do has been done.
#[expect(clippy::print_stdout, reason = "this is what the rig is run for")]
pub(crate) fn print(all: &[Seen], complete: bool) -> bool {
    let mut right = true;
    println!("\n{:<10} {:<22} {:<12} {:>7}  allowed by", "function", "action", "about", "calls");
    for Seen { lambda, record } in all {
        for ((action, subject, statement), count) in &record.calls().allowed {
            println!("{:<10} {action:<22} {subject:<12} {count:>7}  {statement}", lambda.function.name);
        }
    }
    println!();
    let mut unused: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for Seen { lambda, record } in all {
        let (name, calls) = (&lambda.function.name, record.calls());
        for (count, first) in calls.refused.values() {
            right = false;
            println!("not ok  {name}: {first}; {count} such calls");
        }
        let used: BTreeSet<(&str, &str)> = calls
            .allowed
            .keys()
            .map(|(action, _, statement)| (action.as_str(), statement.as_str()))
            .collect();
        for (action, statement) in permissions(&lambda.function.statements) {
            let reason = UNUSED.iter().find(|row| (row.0, row.1) == (action, statement)).map(|row| row.2);
            match (used.contains(&(action, statement)), reason) {
                (true, None) => {}
                (false, Some(reason)) => {
                    unused.entry(format!("{statement} {action}: {reason}")).or_default().push(name);
                }
                (true, Some(_)) => {
                    right = false;
                    println!(
                        "not ok  {name}: {statement} {action} is used, though there is a reason why not"
                    );
                }
                (false, None) if complete => {
                    right = false;
                    println!("not ok  {name}: {statement} {action} is never used");
                }
                (false, None) => {
                    unused.entry(format!("{statement} {action}, so far")).or_default().push(name);
                }
            }
        }
    }
    for (why, names) in unused {
        println!("unused  {}: {why}", names.join(", "));
    }
    println!(
        "\n{:<10} {:>8} {:>6} {:>7} {:>11} {:>9} {:>11} {:>8} {:>6}",
        "function",
        "requests",
        "failed",
        "overdue",
        "unavailable",
        "instances",
        "cold starts",
        "peak MB",
        "of MB"
    );
    for Seen { lambda, .. } in all {
        let (function, counts) = (&lambda.function, lambda.counts());
        println!(
            "{:<10} {:>8} {:>6} {:>7} {:>11} {:>9} {:>11} {:>8} {:>6}",
            function.name,
            counts.requests,
            counts.failed,
            counts.overdue,
            counts.unavailable,
            counts.instances,
            counts.cold,
            counts.peak_kb.div_ceil(1_024),
            function.memory_mb
        );
    }
    right
}

/// What statements allow, one action at a time.
fn permissions(statements: &[Statement]) -> impl Iterator<Item = (&str, &str)> {
    let allows = statements.iter().filter(|statement| statement.effect == Effect::Allow);
    allows.flat_map(|statement| {
        statement.actions.iter().map(|action| (action.as_str(), statement.name.as_str()))
    })
}
