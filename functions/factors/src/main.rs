//! The factors function: `shared::http::factors` behind Lambda.

use lambda_http::Error;
use shared::http::factors;
use shared::lambda::Function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start().await?;
    let routes = factors::router(function.core.clone());
    function.serve(routes).await
}
