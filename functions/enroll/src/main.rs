//! The enroll function: `shared::http::enroll` behind Lambda.

use shared::http::enroll;
use shared::lambda::{Error, Function};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start().await?;
    function.open_keyring().await;
    let routes = enroll::router(function.core.clone());
    function.serve(routes).await
}
