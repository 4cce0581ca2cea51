//! What no SDK can bring about, but the functions must be permitted to do.

use crate::Failure;
use cli::serve::faults::{Fault, Faults};
use serde_json::{Value, json};

/// A number of no suite: a number is sent one message at a time.
const PHONE: &str = "+15005550008";

/// Has SNS refuse a message: its challenge is withdrawn. Afterwards nothing fails.
pub(crate) async fn refused_message(url: &str, api_key: &str, faults: &Faults) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let post = async |path: &str, body: Value| {
        client.post(format!("{url}{path}")).bearer_auth(api_key).json(&body).send().await
    };
    let factor = post("/auth/factors/enroll", json!({"type": "sms", "phone_number": PHONE})).await?;
    let factor: Value = factor.error_for_status()?.json().await?;
    let factor = factor["id"].as_str().ok_or("a factor without an id")?;
    faults.plan(|call| (call.operation == "Publish").then_some(Fault::Throttle));
    let refused = post(&format!("/auth/factors/{factor}/challenge"), json!({})).await?.status();
    faults.plan(|_| None);
    if refused == 503 {
        Ok(())
    } else {
        Err(format!("a message that SNS refuses is answered {refused}").into())
    }
}
