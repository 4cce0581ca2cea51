//! What is sealed for one place opens in no other.

use super::*;
use crate::domain::factor::Kind;
use crate::domain::id::{EnvironmentId, FactorId};
use crate::domain::time::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

struct Fixture {
    rng: StdRng,
    seal: Seal,
}

impl Fixture {
    fn new() -> Self {
        let mut rng = StdRng::from_seed([5; 32]);
        let id = EnvironmentKeyId::new(Timestamp::default(), &mut rng);
        let keys = BTreeMap::from([(id, EnvironmentKey(cipher::random_key(&mut rng)))]);
        Self { seal: Seal::new(keys, id, &cipher::random_key(&mut rng)), rng }
    }

    fn factor(&mut self) -> Factor {
        Factor {
            id: FactorId::new(Timestamp::default(), &mut self.rng),
            environment: EnvironmentId::new(Timestamp::default(), &mut self.rng),
            created_at: Timestamp::default(),
            user: None,
            kind: Kind::GenericOtp,
        }
    }

    fn challenge(&mut self, factor: &Factor, code: &Code) -> Challenge {
        let id = ChallengeId::new(Timestamp::default(), &mut self.rng);
        let mac = self.seal.code(code, factor, id).unwrap();
        Challenge::of(factor, id, Some(mac), Timestamp::default())
    }
}

#[test]
fn a22_sec_02_a_secret_opens_only_for_its_factor_and_environment() {
    let mut fixture = Fixture::new();
    let (own, other) = (fixture.factor(), fixture.factor());
    let secret = Secret::random(&mut fixture.rng);
    let sealed = fixture.seal.secret(&secret, &own, &mut fixture.rng).unwrap();
    assert_eq!(fixture.seal.open_secret(&sealed, &own).unwrap().expose(), secret.expose());
    let same_environment = Factor { environment: own.environment, ..other.clone() };
    let same_factor = Factor { environment: other.environment, ..own.clone() };
    for elsewhere in [other, same_environment, same_factor] {
        assert_eq!(fixture.seal.open_secret(&sealed, &elsewhere).err(), Some(SealError::Broken));
    }
}

#[test]
fn sec_02_a_tampered_secret_does_not_open() {
    let mut fixture = Fixture::new();
    let factor = fixture.factor();
    let secret = Secret::random(&mut fixture.rng);
    let sealed = fixture.seal.secret(&secret, &factor, &mut fixture.rng).unwrap();
    for at in 0..sealed.bytes.len() {
        let mut bytes = sealed.bytes.clone();
        bytes[at] ^= 1;
        let tampered = Sealed { key: sealed.key, bytes };
        assert!(fixture.seal.open_secret(&tampered, &factor).is_err(), "byte {at}");
    }
    for length in 0..sealed.bytes.len() {
        let cut = Sealed { key: sealed.key, bytes: sealed.bytes[..length].to_vec() };
        assert!(fixture.seal.open_secret(&cut, &factor).is_err(), "{length} bytes");
    }
}

#[test]
fn sec_02_nothing_opens_or_matches_without_the_key_it_was_made_with() {
    let mut fixture = Fixture::new();
    let factor = fixture.factor();
    let secret = Secret::random(&mut fixture.rng);
    let code = Code::parse("123456").unwrap();
    let sealed = fixture.seal.secret(&secret, &factor, &mut fixture.rng).unwrap();
    let challenge = fixture.challenge(&factor, &code);
    let keys = BTreeMap::from([(sealed.key, EnvironmentKey(cipher::random_key(&mut fixture.rng)))]);
    let impostor = Seal::new(keys, sealed.key, &cipher::random_key(&mut fixture.rng));
    assert_eq!(impostor.open_secret(&sealed, &factor).err(), Some(SealError::Broken));
    assert_eq!(impostor.code_matches(&code, &factor, &challenge), Ok(false));
    let erased = Seal::new(BTreeMap::new(), sealed.key, &cipher::random_key(&mut fixture.rng));
    assert_eq!(erased.open_secret(&sealed, &factor).err(), Some(SealError::Missing(sealed.key)));
    assert_eq!(erased.code_matches(&code, &factor, &challenge), Err(SealError::Missing(sealed.key)));
}

#[test]
fn sec_07_only_what_an_older_key_sealed_is_sealed_again() {
    let mut fixture = Fixture::new();
    let factor = fixture.factor();
    let secret = Secret::random(&mut fixture.rng);
    let old = fixture.seal.secret(&secret, &factor, &mut fixture.rng).unwrap();
    assert!(!fixture.seal.is_outdated(&old));
    let newer = EnvironmentKeyId::new(Timestamp::from_millis(1).unwrap(), &mut fixture.rng);
    fixture.seal.keys.insert(newer, EnvironmentKey(cipher::random_key(&mut fixture.rng)));
    fixture.seal.current = newer;
    assert!(fixture.seal.is_outdated(&old));
    assert!(!fixture.seal.is_outdated(&fixture.seal.secret(&secret, &factor, &mut fixture.rng).unwrap()));
}

#[test]
fn a22_one_05_a_code_matches_only_in_its_challenge() {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.factor(), fixture.factor());
    let code = Code::parse("123456").unwrap();
    let challenges = [
        (first.clone(), fixture.challenge(&first, &code)),
        (first.clone(), fixture.challenge(&first, &code)),
        (second.clone(), fixture.challenge(&second, &code)),
    ];
    for (here, (factor, challenge)) in challenges.iter().enumerate() {
        assert_eq!(fixture.seal.code_matches(&code, factor, challenge), Ok(true));
        assert_eq!(fixture.seal.code_matches(&Code::parse("123457").unwrap(), factor, challenge), Ok(false));
        for (there, (_, other)) in challenges.iter().enumerate() {
            // The MAC of one row moved to another row.
            let moved = Challenge { code: other.code.clone(), ..challenge.clone() };
            assert_eq!(fixture.seal.code_matches(&code, factor, &moved), Ok(here == there));
        }
    }
}

#[test]
fn sec_05_no_unkeyed_hash_of_a_code_is_its_mac() {
    use sha2::Digest as _;
    let mut fixture = Fixture::new();
    let factor = fixture.factor();
    let challenge = fixture.challenge(&factor, &Code::parse("123456").unwrap());
    let mac = challenge.code.unwrap().mac;
    for number in 0..1_000_000 {
        let code = format!("{number:06}");
        assert!(<[u8; 32]>::from(Sha256::digest(code.as_bytes())) != mac);
    }
}

#[test]
fn sec_03_sealing_twice_never_repeats_a_nonce() {
    let mut fixture = Fixture::new();
    let factor = fixture.factor();
    let secret = Secret::random(&mut fixture.rng);
    let nonces: std::collections::HashSet<Vec<u8>> = (0..100_000)
        .map(|_| fixture.seal.secret(&secret, &factor, &mut fixture.rng).unwrap().bytes[1..13].to_vec())
        .collect();
    assert_eq!(nonces.len(), 100_000);
}

/// SEC-03: a derived key seals what stands at one place, so its nonces are counted in ones.
#[test]
fn sec_03_every_factor_has_a_key_of_its_own() {
    let mut fixture = Fixture::new();
    let parent = cipher::random_key(&mut fixture.rng);
    let keys: std::collections::HashSet<[u8; 32]> =
        (0..1_000).map(|_| *cipher::derive(&parent, &secret_context(&fixture.factor()))).collect();
    assert_eq!(keys.len(), 1_000);
}
