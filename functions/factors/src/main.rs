//! The factors Lambda function. See `shared::http::factors`.

use shared::http::factors;
use shared::lambda::{Error, Function};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    function.connect().await;
    let routes = factors::router(function.core.clone());
    function.serve(routes).await
}
