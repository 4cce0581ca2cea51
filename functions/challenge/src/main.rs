//! The challenge function: `shared::http::challenge` behind Lambda, the only one that can send messages.

use shared::http::challenge;
use shared::lambda::{Error, Function};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start().await?;
    let keyring = function.keyring().await;
    let routes = challenge::router(function.core.clone(), keyring, function.sms());
    function.serve(routes).await
}
