//! What an operator does: a key in KMS, the stack's table, `latchkey init`.

use crate::Failure;
use crate::access::REGION;
use crate::sandbox::credentials;
use shared::aws;
use shared::operate::Operator as Deployed;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// The name of the table.
pub(crate) const TABLE: &str = "latchkey";

/// Where AWS is on this machine.
#[derive(Clone)]
pub(crate) struct Aws {
    /// DynamoDB.
    pub(crate) dynamodb: String,
    /// KMS and SNS.
    pub(crate) moto: String,
}

impl Aws {
    /// Makes a key: its ARN. On AWS the template does that.
    pub(crate) async fn make_key(&self) -> Result<String, Failure> {
        let made = aws_sdk_kms::Client::new(&aws::on_this_machine(&self.moto)).create_key().send().await?;
        Ok(made.key_metadata.and_then(|key| key.arn).ok_or("KMS made no key")?)
    }

    /// Makes the table, as the template does, and what a deployment needs before its first request: an API key.
    pub(crate) async fn deploy(&self, latchkey: &Path, kms_key: &str) -> Result<String, Failure> {
        Deployed::new(aws::dynamodb(&aws::on_this_machine(&self.dynamodb)), TABLE.to_owned())
            .create_table()
            .await?;
        let made = Command::new(latchkey)
            .args(["--json", "init", "--table", TABLE, "--kms-key-id", kms_key, "--region", REGION])
            .envs(credentials())
            .env("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb)
            .env("AWS_ENDPOINT_URL_KMS", &self.moto)
            .stderr(Stdio::inherit())
            .output()
            .await?;
        let made: serde_json::Value = serde_json::from_slice(&made.stdout)?;
        Ok(made["api_key"]["key"].as_str().ok_or("latchkey init made no API key")?.to_owned())
    }
}
