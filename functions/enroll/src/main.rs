//! The enroll Lambda function. See `shared::http::enroll`.

use shared::http::enroll;
use shared::lambda::{Error, Function};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let keyring = function.keyring().await;
    let routes = enroll::router(function.core.clone(), keyring);
    function.serve(routes).await
}
