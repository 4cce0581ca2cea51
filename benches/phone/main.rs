//! `phone NUMBER…`: how long each phone number takes to be read, the first one in a fresh process.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool that measures")]

use shared::domain::phone::Phone;
use std::time::Instant;

fn main() {
    for number in std::env::args().skip(1) {
        let start = Instant::now();
        let phone = Phone::parse(&number);
        println!("{number} {phone:?}: {} µs", start.elapsed().as_micros());
    }
}
