//! `phone NUMBER…`: the microseconds that each phone number takes to be read, the first one in a fresh process.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool that measures"
)]

use shared::domain::phone::Phone;
use std::time::Instant;

fn main() {
    for number in std::env::args().skip(1) {
        let start = Instant::now();
        Phone::parse(&number).expect("a phone number");
        println!("{}", start.elapsed().as_nanos() / 1000);
    }
}
