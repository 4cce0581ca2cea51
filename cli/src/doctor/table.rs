//! The table: there, of the right shape, collecting garbage, and hard to lose.

use super::Finding;
use crate::deployment::Deployment;
use shared::store::schema::attr;

/// Looks at the table; whether there is one.
pub(super) async fn examine(deployment: &Deployment, findings: &mut Vec<Finding>) -> bool {
    let (operator, name) = (&deployment.operator, deployment.operator.store.table());
    let table = match operator.describe().await {
        Ok(Some(table)) => table,
        Ok(None) => {
            let remedy =
                "deploy template.yaml, or make it with `latchkey init`; or look at --table and --region";
            findings.push(Finding::fault("table", format_args!("there is no table {name}"), remedy));
            return false;
        }
        Err(error) => {
            findings.push(Finding::unasked("table", error, "dynamodb:DescribeTable"));
            return false;
        }
    };
    findings.push(if table.active {
        Finding::ok("table", format_args!("{name} is active"))
    } else {
        Finding::fault("table", format_args!("{name} is not active"), "wait until it is, and run this again")
    });
    findings.push(if table.differences.is_empty() {
        Finding::ok("layout", "the key and the index are as the code needs them")
    } else {
        let remedy = "a key cannot be changed: name the right table with --table, or make another one with `latchkey init`";
        Finding::fault("layout", table.differences.join("; "), remedy)
    });
    findings.push(ttl(deployment).await);
    if deployment.is_local() {
        findings.push(Finding::ok("backups", "the data directory is yours to copy, while nothing uses it"));
        return true;
    }
    findings.push(recovery(deployment).await);
    findings.push(if table.protected {
        Finding::ok("deletion", "the table is protected")
    } else {
        let remedy = format!("aws dynamodb update-table --table-name {name} --deletion-protection-enabled");
        Finding::fault("deletion", "the table can be deleted by mistake", remedy)
    });
    findings.push(if table.on_demand {
        Finding::ok("capacity", "on demand")
    } else {
        let remedy = format!("aws dynamodb update-table --table-name {name} --billing-mode PAY_PER_REQUEST");
        Finding::hint("capacity", "provisioned: when it is used up, logins fail", remedy)
    });
    true
}

async fn ttl(deployment: &Deployment) -> Finding {
    let remedy = format!(
        "aws dynamodb update-time-to-live --table-name {} --time-to-live-specification Enabled=true,AttributeName={}",
        deployment.operator.store.table(),
        attr::TTL
    );
    match deployment.operator.ttl().await {
        Ok(Some(attribute)) if attribute == attr::TTL => Finding::ok("TTL", "what has expired is collected"),
        Ok(Some(other)) => {
            Finding::fault("TTL", format_args!("it is on `{other}`, not on `{}`", attr::TTL), remedy)
        }
        Ok(None) => Finding::fault("TTL", "it is off: challenges and budgets pile up", remedy),
        Err(error) => Finding::unasked("TTL", error, "dynamodb:DescribeTimeToLive"),
    }
}

async fn recovery(deployment: &Deployment) -> Finding {
    let check = "backups";
    match deployment.operator.point_in_time_recovery().await {
        Ok(true) => Finding::ok(check, "point-in-time recovery is on"),
        Ok(false) => {
            let remedy = format!(
                "aws dynamodb update-continuous-backups --table-name {} --point-in-time-recovery-specification \
                 PointInTimeRecoveryEnabled=true",
                deployment.operator.store.table()
            );
            Finding::fault(check, "point-in-time recovery is off: a lost table is lost logins", remedy)
        }
        Err(error) => Finding::unasked(check, error, "dynamodb:DescribeContinuousBackups"),
    }
}
