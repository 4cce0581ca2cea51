//! What no SDK brings about: a message that SNS refuses, and a user whose name a path decoded twice would change.

use crate::Failure;
use cli::serve::faults::{Fault, Faults};
use serde_json::{Value, json};

/// A number of no suite: a number is sent one message at a time.
const PHONE: &str = "+15005550008";

/// Asks for what no SDK does. Afterwards nothing fails.
pub(crate) async fn run(url: &str, api_key: &str, faults: &Faults) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let post = async |path: &str, body: Value| {
        client.post(format!("{url}{path}")).bearer_auth(api_key).json(&body).send().await
    };
    let enrolled = post("/user_management/users/a%2541/auth_factors", json!({"type": "totp"})).await?;
    let enrolled: Value = enrolled.error_for_status()?.json().await?;
    let user = &enrolled["authentication_factor"]["user_id"];
    if user != "a%41" {
        return Err(format!("a user called a%41 is taken for {user}").into());
    }
    let factor = post("/auth/factors/enroll", json!({"type": "sms", "phone_number": PHONE})).await?;
    let factor: Value = factor.error_for_status()?.json().await?;
    let factor = factor["id"].as_str().ok_or("a factor without an id")?;
    // What SNS refuses is withdrawn.
    faults.plan(|call| (call.operation == "Publish").then_some(Fault::Throttle));
    let refused = post(&format!("/auth/factors/{factor}/challenge"), json!({})).await?.status();
    faults.plan(|_| None);
    if refused == 503 {
        Ok(())
    } else {
        Err(format!("a message that SNS refuses is answered {refused}").into())
    }
}
