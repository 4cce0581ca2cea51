//! Checks of the table: existence, layout, TTL, backups and protection.

use super::Finding;
use crate::deployment::Deployment;
use shared::store::schema::attr;

/// Checks the table. Returns whether it exists.
pub(super) async fn check(deployment: &Deployment, findings: &mut Vec<Finding>) -> bool {
    let (operator, name) = (&deployment.operator, deployment.operator.store.table());
    let table = match operator.describe().await {
        Ok(Some(table)) => table,
        Ok(None) => {
            let remedy = "deploy template.yaml, or create the table with `latchkey init`, or check --table and --region";
            findings.push(Finding::fault("table", format_args!("there is no table {name}"), remedy));
            return false;
        }
        Err(error) => {
            findings.push(Finding::failed_check("table", error, "dynamodb:DescribeTable"));
            return false;
        }
    };
    findings.push(if table.active {
        Finding::ok("table", format_args!("{name} is active"))
    } else {
        Finding::fault(
            "table",
            format_args!("{name} is not active"),
            "wait until it is active, then run this again",
        )
    });
    findings.push(if table.differences.is_empty() {
        Finding::ok("layout", "the key and the index are correct")
    } else {
        let remedy = "a key cannot be changed: select the right table with --table, or create another one with `latchkey init`";
        Finding::fault("layout", table.differences.join("; "), remedy)
    });
    findings.push(ttl(deployment).await);
    if deployment.is_local() {
        findings.push(Finding::ok("backups", "copy the data directory while no process uses it"));
        return true;
    }
    findings.push(recovery(deployment).await);
    findings.push(if table.protected {
        Finding::ok("deletion", "deletion protection is on")
    } else {
        let remedy = format!("aws dynamodb update-table --table-name {name} --deletion-protection-enabled");
        Finding::fault("deletion", "deletion protection is off", remedy)
    });
    findings.push(if table.on_demand {
        Finding::ok("capacity", "on demand")
    } else {
        let remedy = format!("aws dynamodb update-table --table-name {name} --billing-mode PAY_PER_REQUEST");
        Finding::hint("capacity", "provisioned: logins fail when it is used up", remedy)
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
        Ok(Some(attribute)) if attribute == attr::TTL => Finding::ok("TTL", "expired items are deleted"),
        Ok(Some(other)) => {
            Finding::fault("TTL", format_args!("set to `{other}` instead of `{}`", attr::TTL), remedy)
        }
        Ok(None) => Finding::fault("TTL", "off: expired challenges and budgets are never deleted", remedy),
        Err(error) => Finding::failed_check("TTL", error, "dynamodb:DescribeTimeToLive"),
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
            Finding::fault(check, "point-in-time recovery is off: a lost table cannot be restored", remedy)
        }
        Err(error) => Finding::failed_check(check, error, "dynamodb:DescribeContinuousBackups"),
    }
}
