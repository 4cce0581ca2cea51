//! Sealed values open only in the context they were sealed for.

use super::*;
use crate::domain::guard::Guard;
use crate::domain::id::RecoveryCodesId;
use crate::domain::recovery::{RecoveryCode, RecoveryCodes};
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

struct Fixture {
    rng: StdRng,
    seal: Seal,
}

impl Fixture {
    fn new() -> Self {
        let mut rng = StdRng::from_seed([5; 32]);
        let environment = EnvironmentId::new(Timestamp::default(), &mut rng);
        let id = EnvironmentKeyId::new(Timestamp::default(), &mut rng);
        let keys = BTreeMap::from([(id, EnvironmentKey(cipher::random_key(&mut rng)))]);
        Self { seal: Seal::new(environment, keys, id, &cipher::random_key(&mut rng)), rng }
    }

    /// Another environment's seal with the same keys.
    fn other_environment(&mut self) -> Seal {
        let environment = EnvironmentId::new(Timestamp::default(), &mut self.rng);
        Seal::new(environment, self.seal.keys.clone(), self.seal.current, &[0; 32])
    }

    fn factor(&mut self) -> FactorId {
        FactorId::new(Timestamp::default(), &mut self.rng)
    }

    fn recovery_codes(&mut self) -> (RecoveryCodes, Vec<RecoveryCode>) {
        let id = RecoveryCodesId::new(Timestamp::default(), &mut self.rng);
        let new = self.seal.new_recovery_codes(id, &mut self.rng).unwrap();
        let set = RecoveryCodes {
            id,
            environment: self.seal.environment,
            user: UserId::parse("user_1").unwrap(),
            created_at: Timestamp::default(),
            accept_on_challenges: false,
            total: new.codes.len(),
            key: new.key,
            codes: new.macs,
            guard: Guard::default(),
        };
        (set, new.codes)
    }

    fn challenge(&mut self) -> ChallengeId {
        ChallengeId::new(Timestamp::default(), &mut self.rng)
    }
}

#[test]
fn a22_sec_02_a_secret_opens_only_for_its_factor_and_environment() {
    let mut fixture = Fixture::new();
    let (own, other, other_environment) = (fixture.factor(), fixture.factor(), fixture.other_environment());
    let secret = Secret::random(&mut fixture.rng);
    let sealed = fixture.seal.secret(&secret, own, &mut fixture.rng).unwrap();
    assert_eq!(fixture.seal.open_secret(&sealed, own).unwrap().expose(), secret.expose());
    for (seal, factor) in [(&fixture.seal, other), (&other_environment, own), (&other_environment, other)] {
        assert_eq!(seal.open_secret(&sealed, factor).err(), Some(SealError::CannotOpen));
    }
}

#[test]
fn sec_02_a_tampered_secret_does_not_open() {
    let mut fixture = Fixture::new();
    let factor = fixture.factor();
    let secret = Secret::random(&mut fixture.rng);
    let sealed = fixture.seal.secret(&secret, factor, &mut fixture.rng).unwrap();
    for at in 0..sealed.bytes.len() {
        let mut bytes = sealed.bytes.clone();
        bytes[at] ^= 1;
        let tampered = Sealed { key: sealed.key, bytes };
        assert!(fixture.seal.open_secret(&tampered, factor).is_err(), "byte {at}");
    }
    for length in 0..sealed.bytes.len() {
        let cut = Sealed { key: sealed.key, bytes: sealed.bytes[..length].to_vec() };
        assert!(fixture.seal.open_secret(&cut, factor).is_err(), "{length} bytes");
    }
}

#[test]
fn sec_02_nothing_opens_or_matches_with_another_key() {
    let mut fixture = Fixture::new();
    let factor = fixture.factor();
    let secret = Secret::random(&mut fixture.rng);
    let code = Code::parse("123456").unwrap();
    let sealed = fixture.seal.secret(&secret, factor, &mut fixture.rng).unwrap();
    let challenge = fixture.challenge();
    let stored = fixture.seal.code(&code, factor, challenge).unwrap();
    let environment = fixture.seal.environment;
    let keys = BTreeMap::from([(sealed.key, EnvironmentKey(cipher::random_key(&mut fixture.rng)))]);
    let impostor = Seal::new(environment, keys, sealed.key, &cipher::random_key(&mut fixture.rng));
    assert_eq!(impostor.open_secret(&sealed, factor).err(), Some(SealError::CannotOpen));
    assert_eq!(impostor.code_matches(&code, &stored, (factor, challenge)), Ok(false));
    let erased = Seal::new(environment, BTreeMap::new(), sealed.key, &cipher::random_key(&mut fixture.rng));
    assert_eq!(erased.open_secret(&sealed, factor).err(), Some(SealError::Missing(sealed.key)));
    assert_eq!(erased.code_matches(&code, &stored, (factor, challenge)), Err(SealError::Missing(sealed.key)));
}

#[test]
fn a22_one_05_a_code_matches_only_its_own_challenge() {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.factor(), fixture.factor());
    let code = Code::parse("123456").unwrap();
    let challenges =
        [(first, fixture.challenge()), (first, fixture.challenge()), (second, fixture.challenge())];
    let stored = challenges.map(|(factor, challenge)| fixture.seal.code(&code, factor, challenge).unwrap());
    let other_environment = fixture.other_environment();
    for (here, (factor, challenge)) in challenges.into_iter().enumerate() {
        let matches = |code: &str, stored| {
            fixture.seal.code_matches(&Code::parse(code).unwrap(), stored, (factor, challenge)).unwrap()
        };
        assert!(matches("123456", &stored[here]) && !matches("123457", &stored[here]));
        assert_eq!(other_environment.code_matches(&code, &stored[here], (factor, challenge)), Ok(false));
        for (there, moved) in stored.iter().enumerate() {
            // The MAC of one challenge moved to another challenge.
            assert_eq!(matches("123456", moved), here == there);
        }
    }
}

#[test]
fn sec_05_the_mac_of_a_code_is_not_an_unkeyed_hash() {
    use sha2::Digest as _;
    let mut fixture = Fixture::new();
    let factor = fixture.factor();
    let challenge = fixture.challenge();
    let mac = fixture.seal.code(&Code::parse("123456").unwrap(), factor, challenge).unwrap().mac;
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
        .map(|_| fixture.seal.secret(&secret, factor, &mut fixture.rng).unwrap().bytes[1..13].to_vec())
        .collect();
    assert_eq!(nonces.len(), 100_000);
}

/// SEC-03: a derived key seals a single secret, so it uses only a few nonces.
#[test]
fn sec_03_every_factor_has_its_own_derived_key() {
    let mut fixture = Fixture::new();
    let parent = cipher::random_key(&mut fixture.rng);
    let keys: std::collections::HashSet<[u8; 32]> = (0..1_000)
        .map(|_| {
            *cipher::derive(
                &parent,
                &fixture.seal.secret_context(FactorId::new(Timestamp::default(), &mut fixture.rng)),
            )
        })
        .collect();
    assert_eq!(keys.len(), 1_000);
}

#[test]
fn rec_02_a_recovery_code_is_found_only_in_its_own_set_and_environment() {
    let mut fixture = Fixture::new();
    let other_environment = fixture.other_environment();
    let (set, codes) = fixture.recovery_codes();
    let (other_set, _) = fixture.recovery_codes();
    for (code, mac) in codes.iter().zip(&set.codes) {
        assert_eq!(fixture.seal.recovery_code_in(&set, code).unwrap().as_ref(), Some(mac));
        assert_eq!(fixture.seal.recovery_code_in(&other_set, code), Ok(None));
        assert_eq!(other_environment.recovery_code_in(&set, code), Err(SealError::CannotOpen));
    }
    // The key of one set does not open as another's.
    let moved = RecoveryCodes { id: other_set.id, ..set.clone() };
    assert_eq!(fixture.seal.recovery_code_in(&moved, &codes[0]), Err(SealError::CannotOpen));
    let used = RecoveryCodes { codes: set.codes[1..].to_vec(), ..set.clone() };
    assert_eq!(fixture.seal.recovery_code_in(&used, &codes[0]), Ok(None));
}

#[test]
fn rec_02_a_resealed_set_has_the_same_codes() {
    let mut fixture = Fixture::new();
    let (mut set, codes) = fixture.recovery_codes();
    let resealed = fixture.seal.reseal_recovery_key(&set, &mut fixture.rng).unwrap();
    assert_ne!(resealed.bytes, set.key.bytes);
    set.key = resealed;
    assert!(codes.iter().all(|code| fixture.seal.recovery_code_in(&set, code).unwrap().is_some()));
}
