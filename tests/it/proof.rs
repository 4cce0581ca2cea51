//! The proof kit: what the API promises, written a second time and without optimisation, and compared with the API.
//!
//! [`spec`] is the sequential specification. [`model`] runs random sequences of operations against the server and the
//! specification; [`linearizability`] runs eight clients at once and looks for an order in which the specification
//! explains what each of them saw. [`messages`] does the same for text messages. `LATCHKEY_TEST_SEQUENCES=10000 cargo test -p tests proof` is the nightly size.

mod history;
mod linearizability;
mod loss;
mod messages;
mod model;
mod spec;
mod world;
