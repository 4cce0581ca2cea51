//! ONE-08: what eight clients see at once could have happened one request after the other.
//!
//! `LATCHKEY_TEST_SEQUENCES=10000 cargo test --test it linearizability -- --nocapture` is the nightly run.

use crate::proof::history::{Event, is_linearizable, listing};
use crate::proof::loss::{self, Loss};
use crate::proof::spec::{HOUR, Kind, MINUTE, Request, SECOND};
use crate::proof::world::{Pick, World, quiet_runtime, report, run_size};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// Histories in a plain `cargo test`.
const HISTORIES: usize = 100;
const HISTORIES_PER_WORLD: usize = 50;
const CLIENTS: u64 = 8;
/// Requests of a client in a row while the clock stands still; then all wait, and the clock moves.
const REQUESTS: usize = 3;
const ROUNDS: u64 = 2;
/// Histories in which a broken store must have accepted a code twice.
const BROKEN_WITHIN: usize = 50;

/// What the clients of one history share.
struct Board {
    world: Arc<World>,
    factors: Vec<usize>,
    /// The user whose recovery codes are guessed at.
    user: usize,
    /// Each challenge that was made, with its factor.
    challenges: Mutex<Vec<(usize, usize)>>,
    history: Mutex<Vec<Event>>,
    ticks: AtomicUsize,
}

impl Board {
    async fn ask(&self, factor: usize, request: Request) -> u16 {
        let (now, asked) = (self.world.now(), self.ticks.fetch_add(1, Ordering::SeqCst));
        let answer = self.world.ask(&request).await;
        let (status, answered) = (answer.status, self.ticks.fetch_add(1, Ordering::SeqCst));
        if let (Request::Challenge { challenge, .. }, 201) = (&request, status) {
            self.challenges.lock().unwrap().push((*challenge, factor));
        }
        self.history.lock().unwrap().push(Event { factor, now, asked, answered, request, answer });
        status
    }

    /// A request about recovery codes: one in five.
    async fn recover(&self, deletes: bool, rng: &mut StdRng) -> u16 {
        let user = self.user;
        let pick = match rng.random_range(0..100_u32) {
            0..5 if deletes => return self.ask(user, Request::Revoke { user }).await,
            0..15 => {
                let generation = self.world.number();
                return self.ask(user, Request::Renew { user, generation }).await;
            }
            15..60 => Pick::Right,
            60..75 => Pick::Wrong,
            75..85 => Pick::Step(0),
            _ => Pick::Again,
        };
        self.ask(user, self.world.recovery_guess(user, pick)).await
    }

    async fn act(&self, deletes: bool, rng: &mut StdRng) -> u16 {
        if rng.random_range(0..5_u32) == 0 {
            return self.recover(deletes, rng).await;
        }
        let factor = self.factors[rng.random_range(0..self.factors.len())];
        let newest = {
            let challenges = self.challenges.lock().unwrap();
            let recent = challenges.len().saturating_sub(3)..challenges.len();
            (!recent.is_empty()).then(|| challenges[rng.random_range(recent)])
        };
        let pick = match (rng.random_range(0..100_u32), newest) {
            (0..3, _) if deletes => return self.ask(factor, Request::Delete { factor }).await,
            (0..15, _) | (_, None) => {
                let challenge = self.world.number();
                return self.ask(factor, Request::Challenge { factor, challenge }).await;
            }
            (15..50, _) => Pick::Right,
            (50..75, _) => Pick::Wrong,
            (75..85, _) => Pick::Step(rng.random_range(-1..=1)),
            _ => Pick::Again,
        };
        let (challenge, factor) = newest.unwrap();
        self.ask(factor, self.world.guess(challenge, pick)).await
    }
}

/// Lets eight clients at one or two new factors; the history of each.
async fn run(world: &Arc<World>, seed: u64) -> Vec<Vec<Event>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (factors, challenges, history) = (Vec::new(), Mutex::default(), Mutex::default());
    let ticks = AtomicUsize::new(0);
    let user = world.number();
    let mut board = Board { world: Arc::clone(world), factors, user, challenges, history, ticks };
    board.ask(user, Request::Renew { user, generation: world.number() }).await;
    let factors = rng.random_range(1..=2);
    while board.factors.len() < factors {
        let factor = world.number();
        let kind = if rng.random() { Kind::Totp } else { Kind::Generic };
        // A factor whose enrollment failed has no history.
        if board.ask(factor, Request::Enroll { factor, kind }).await == 201 {
            board.ask(factor, Request::Challenge { factor, challenge: world.number() }).await;
            board.factors.push(factor);
        }
    }
    let board = Arc::new(board);
    for round in 0..ROUNDS {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let board = Arc::clone(&board);
            let mut rng = StdRng::seed_from_u64(seed ^ (round * CLIENTS + client + 1) << 32);
            clients.spawn(async move {
                for _ in 0..REQUESTS {
                    board.act(round + 1 == ROUNDS, &mut rng).await;
                }
            });
        }
        clients.join_all().await;
        let pauses = [0, 31 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR];
        world.advance_to(world.now() + pauses[rng.random_range(0..pauses.len())]);
    }
    let mut history = board.history.lock().unwrap().clone();
    history.sort_by_key(|event| event.asked);
    // Each factor keeps its own promises, so each history can be judged alone (Herlihy and Wing 1990, locality).
    let of = |factor: &usize| history.iter().filter(|event| event.factor == *factor).cloned().collect();
    board.factors.iter().chain([&board.user]).map(of).collect()
}

#[test]
fn one_08_every_history_of_eight_clients_is_linearizable() {
    let (wanted, seed) = run_size(HISTORIES);
    let (runtime, _quiet) = quiet_runtime();
    let (mut checked, mut events, mut unknown, mut accepted) = (0, 0, 0, 0);
    for batch in (0..wanted).step_by(HISTORIES_PER_WORLD) {
        // Every other world loses a write in four, often until the server gives up.
        let is_lossy = !(batch / HISTORIES_PER_WORLD).is_multiple_of(2);
        let writes = if is_lossy { HISTORIES_PER_WORLD * 200 } else { 0 };
        let losses = loss::some(seed, writes, 4, false);
        let world = Arc::new(runtime.block_on(World::start(seed, &losses)));
        for history in batch..wanted.min(batch + HISTORIES_PER_WORLD) {
            let seed = seed.wrapping_add(u64::try_from(history).unwrap());
            for of_factor in runtime.block_on(run(&world, seed)) {
                assert!(
                    is_linearizable(&of_factor, is_lossy),
                    "history of seed {seed}:\n{}",
                    listing(&of_factor)
                );
                events += of_factor.len();
                unknown += of_factor.iter().filter(|event| event.is_unknown()).count();
                accepted += of_factor.iter().filter(|event| event.answer.valid == Some(true)).count();
            }
            checked += 1;
        }
    }
    assert!(accepted > checked, "histories are about something");
    report(&format!(
        "linearizability: {checked} histories, {events} requests, {accepted} accepted codes, {unknown} of unknown \
         fate, seed {seed}"
    ));
}

/// Whether one challenge was answered valid twice.
fn accepts_twice(history: &[Event]) -> bool {
    let mut verified = HashSet::new();
    let accepted = history.iter().filter(|event| event.answer.valid == Some(true));
    !accepted.map(|event| &event.request).all(|request| match request {
        Request::Verify { challenge, .. } => verified.insert(challenge),
        _ => true,
    })
}

#[test]
fn one_08_a_store_that_accepts_twice_is_rejected() {
    let (runtime, _quiet) = quiet_runtime();
    let broken = vec![Loss::Condition; BROKEN_WITHIN * 200];
    let world = Arc::new(runtime.block_on(World::start(1, &broken)));
    for seed in 1..=BROKEN_WITHIN {
        let histories = runtime.block_on(run(&world, u64::try_from(seed).unwrap()));
        if let Some(history) = histories.iter().find(|history| accepts_twice(history)) {
            assert!(!is_linearizable(history, false), "{}", listing(history));
            return report(&format!("linearizability: a double accept in history {seed} is rejected"));
        }
    }
    panic!("no double accept in {BROKEN_WITHIN} histories over a store without conditions");
}
