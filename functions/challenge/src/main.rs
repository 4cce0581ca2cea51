//! The challenge Lambda function, the only one that can send text messages. See `shared::http::challenge`.

use shared::http::challenge;
use shared::lambda::{Error, Function};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let keyring = function.keyring().await;
    let routes = challenge::router(function.core.clone(), keyring, function.sms());
    function.serve(routes).await
}
