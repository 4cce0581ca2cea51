//! What template.yaml says that costs money: the gateway's log line, and the memory of a function.

use crate::bench::root;
use std::fs;

/// A request as the gateway logs it: each variable of the format, and a usual value.
const VALUES: [(&str, &str); 10] = [
    ("$context.requestTime", "21/May/2026:14:55:08 +0000"),
    ("$context.requestId", "JKJaXmPLv08HESHA="),
    ("$context.integration.requestId", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
    ("$context.identity.sourceIp", "203.0.113.10"),
    ("$context.routeKey", "POST /auth/challenges/{id}/verify"),
    ("$context.integrationStatus", "200"),
    ("$context.status", "201"),
    ("$context.error.responseType", "-"),
    ("$context.responseLatency", "12"),
    ("$context.responseLength", "420"),
];

/// Bytes of the gateway's log line for a verify.
pub fn gateway_line() -> usize {
    let template = template();
    let (_, after) = template.split_once("        Format: >-\n").expect("a log format");
    let lines = after.lines().take_while(|line| line.starts_with("          "));
    let format = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let line = VALUES.iter().fold(format, |line, (name, value)| line.replace(name, value));
    assert!(!line.contains("$context"), "a variable without a value: {line}");
    line.len()
}

/// The memory of a function, in MB.
pub fn memory() -> u32 {
    let template = template();
    let (_, after) = template.split_once("    MemorySize: ").expect("the functions' memory");
    after.lines().next().unwrap().trim().parse().unwrap()
}

fn template() -> String {
    fs::read_to_string(root().join("template.yaml")).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_what_costs_money() {
        assert!((100..1_000).contains(&gateway_line()), "{}", gateway_line());
        assert!(memory() >= 128);
    }
}
