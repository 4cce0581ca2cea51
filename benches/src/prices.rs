//! List prices of us-east-1 in dollars, without free tiers: those of docs/DEPLOY.md, which says where they are from.

/// API Gateway, HTTP API: a million requests.
pub const GATEWAY: f64 = 1.00;
/// DynamoDB on demand: a million read units.
pub const READS: f64 = 0.125;
/// DynamoDB on demand: a million write units.
pub const WRITES: f64 = 0.625;
/// CloudWatch Logs: a gigabyte.
pub const LOGS: f64 = 0.50;
/// What CloudWatch adds to each line, in bytes.
pub const PER_LINE: usize = 26;
/// Lambda: a million invocations.
pub const INVOCATIONS: f64 = 0.20;
/// Lambda on Graviton: a gigabyte of memory for a second.
pub const GIGABYTE_SECOND: f64 = 0.000_013_333_4;
/// How long an invocation takes, in seconds. An estimate: nothing here measures DynamoDB.
pub const DURATION: f64 = 0.010;
