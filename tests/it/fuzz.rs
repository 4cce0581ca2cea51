//! The fuzz targets' properties without a fuzzer: every file of the corpus, and seeded mutations of it.

use crate::architecture::root;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use tests::properties::{ALL, Property};

/// Inputs a target is given beside its corpus. The routes are slower than the parsers.
fn mutations_of(target: &str) -> usize {
    match target {
        "authorization" | "body" | "path" => 700,
        "otpauth" => 300,
        _ => 3_000,
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(root().join("tests/fuzz/corpus").join(target)).unwrap();
    let files: BTreeSet<_> = folder.map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

fn check(target: &str, property: Property, input: &[u8]) {
    assert!(catch_unwind(|| property(input)).is_ok(), "{target} fails on b\"{}\"", input.escape_ascii());
}

/// One to four small changes of one input, now and then with the end of another.
fn mutated(corpus: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    const TELLING: &[u8] = b"\0\n\r \"'%&+:/=?{}[]\\019aZ_\x7f\x80\xc3\xed\xff";
    let pick = |rng: &mut StdRng| corpus[rng.random_range(0..corpus.len())].clone();
    let mut input = pick(rng);
    for _ in 0..rng.random_range(1..=4) {
        let (from, to) = (rng.random_range(0..=input.len()), rng.random_range(0..=input.len()));
        let (from, to) = (from.min(to), from.max(to));
        match rng.random_range(0..7) {
            0 => drop(input.drain(from..to)),
            1 => input.insert(from, rng.random()),
            2 => input.insert(from, TELLING[rng.random_range(0..TELLING.len())]),
            3 => {
                let copy = input[from..to].to_vec();
                input.splice(from..from, copy);
            }
            4 => {
                let other = pick(rng);
                input.truncate(from);
                input.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
            }
            5 => input
                .splice(from..to, "é１٣\u{200b}😀".chars().nth(from % 5).unwrap().to_string().bytes())
                .for_each(drop),
            _ => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1_u8 << rng.random_range(0..8);
                }
            }
        }
    }
    input
}

#[test]
fn sup_07_every_property_holds_for_its_corpus_and_for_mutations_of_it() {
    for (target, property) in ALL {
        let corpus = corpus(target);
        for input in &corpus {
            check(target, property, input);
        }
        let mut rng = StdRng::from_seed([8; 32]);
        for _ in 0..mutations_of(target) {
            check(target, property, &mutated(&corpus, &mut rng));
        }
    }
}

#[test]
fn sup_07_every_property_has_a_fuzz_target_and_a_corpus() {
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join("tests/fuzz").join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let properties: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(properties, names("corpus"));
    assert_eq!(properties, names("fuzz_targets"));
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).unwrap();
    for name in properties {
        let target = fs::read_to_string(root().join(format!("tests/fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("properties::{name}(data)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
    }
}
