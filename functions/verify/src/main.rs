//! The verify Lambda function. See `shared::http::verify`.

use shared::http::verify;
use shared::lambda::{Error, Function};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let keyring = function.keyring().await;
    let routes = verify::router(function.core.clone(), keyring);
    function.serve(routes).await
}
