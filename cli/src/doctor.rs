//! stub
use crate::console::Console;
use crate::deployment::Deployment;
use crate::error::Error;
/// h
pub enum Health {
    /// f
    Faults,
    /// s
    Sound,
}
/// r
pub async fn run(_: &Deployment, _: &mut Console) -> Result<Health, Error> {
    Ok(Health::Sound)
}
