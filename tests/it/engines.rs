//! What the store asks of any engine behind it: the same tests on the embedded one, on Amazon's DynamoDB Local and on moto.
//!
//! The other two are servers that `tests/services/run` starts; it names their addresses in `LATCHKEY_TEST_DYNAMODB_LOCAL`
//! and `LATCHKEY_TEST_MOTO`.

use crate::app::App;
use rand::RngExt as _;
use rand::rngs::StdRng;
use shared::aws;
use shared::config::Settings;
use shared::domain::api_key::ApiKey;
use shared::domain::challenge::{Challenge, ChallengeCode, CodeMac};
use shared::domain::environment::WrappedDataKey;
use shared::domain::environment::{Environment, Registration, Tag, WrappedKey};
use shared::domain::factor::{Credential, Factor, FactorName, FactorType, Sealed};
use shared::domain::guard::{Evidence, Guard};
use shared::domain::id::{
    ApiKeyId, AttemptId, ChallengeId, DataKeyId, EnvironmentId, EnvironmentKeyId, FactorId, RecoveryCodesId,
};
use shared::domain::otpauth::Label;
use shared::domain::phone::Phone;
use shared::domain::phone_log::PhoneMacs;
use shared::domain::phone_log::{MessageRequest, MessageState, PhoneLog, RequestMac};
use shared::domain::policy::{MAX_API_KEYS, MAX_SMS_PER_PREFIX, Policy};
use shared::domain::recovery::{RecoveryCodeMac, RecoveryCodes};
use shared::domain::scope::Scope;
use shared::domain::sms_budget::MicroUsd;
use shared::domain::time::Timestamp;
use shared::domain::user::UserId;
use shared::operate::{ChangeOutcome, Operator, PagePosition, SealedItem, UserItem};
use shared::store::schema::attr;
use shared::store::{LogChange, LogOutcome, LogWrite, Page, PageStart, Store, WriteOutcome};
use std::time::Duration;

/// A fresh table on some engine, and what makes ids for it.
struct Engine {
    store: Store,
    operator: Operator,
    client: aws_sdk_dynamodb::Client,
    table: String,
    rng: StdRng,
    now: Timestamp,
    environment: EnvironmentId,
    _embedded: Option<App>,
}

impl Engine {
    async fn embedded() -> Self {
        let app = App::start().await;
        let url = app.local.dynamodb_url.clone();
        Self { _embedded: Some(app), ..Self::at(&url).await }
    }

    #[expect(clippy::disallowed_methods, reason = "the script that starts a server says where it is")]
    async fn named(variable: &str) -> Self {
        let url =
            std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: tests/services/run"));
        Self::at(&url).await
    }

    async fn at(url: &str) -> Self {
        let client = aws::dynamodb(&aws::on_this_machine(url));
        let mut rng: StdRng = rand::make_rng();
        let now = Timestamp::from_millis(1_800_000_000_000).unwrap();
        let environment = EnvironmentId::new(now, &mut rng);
        let table = format!("latchkey-{}", environment.bare());
        let operator = Operator::new(client.clone(), table.clone());
        operator.create_table().await.unwrap();
        Self {
            store: operator.store.clone(),
            operator,
            client,
            table,
            rng,
            now,
            environment,
            _embedded: None,
        }
    }

    fn factor(&mut self) -> Factor {
        let label = |text| Label::parse(text).unwrap();
        let key = EnvironmentKeyId::new(self.now, &mut self.rng);
        Factor {
            id: FactorId::new(self.now, &mut self.rng),
            environment: self.environment,
            created_at: self.now,
            name: Some(FactorName::parse("Work phone").unwrap()),
            user: Some(UserId::parse("jürgen 🔑").unwrap()),
            credential: Credential::Totp {
                issuer: label("Foo & Söhne"),
                account: label("alice"),
                secret: Sealed { key, bytes: vec![0, 1, 254, 255] },
            },
            guard: Guard::default(),
        }
    }

    fn challenge(&mut self, factor: &Factor) -> Challenge {
        let mac = CodeMac { key: EnvironmentKeyId::new(self.now, &mut self.rng), mac: [7; 32] };
        Challenge::new(factor, ChallengeId::new(self.now, &mut self.rng), ChallengeCode::Sent(mac), self.now)
    }

    /// The factor after one more wrong guess at a new challenge.
    fn after_a_guess(&mut self, factor: &Factor) -> Factor {
        let challenge = self.challenge(factor);
        let admission = factor.guard.admit(&challenge, self.now).unwrap();
        let (_, guard) = admission.judge(Evidence::Wrong, AttemptId::new(self.now, &mut self.rng));
        Factor { guard, ..factor.clone() }
    }

    fn recovery_codes(&mut self) -> RecoveryCodes {
        let key = Sealed { key: EnvironmentKeyId::new(self.now, &mut self.rng), bytes: vec![1, 2] };
        let guard = Guard { version: self.rng.random::<u32>().into(), ..Guard::default() };
        RecoveryCodes {
            id: RecoveryCodesId::new(self.now, &mut self.rng),
            environment: self.environment,
            user: UserId::parse("user_1").unwrap(),
            created_at: self.now,
            accept_on_challenges: true,
            total: 2,
            key,
            codes: vec![RecoveryCodeMac([3; 32]), RecoveryCodeMac([4; 32])],
            guard,
        }
    }

    fn registration(&mut self, tag: &str) -> Registration {
        let key = WrappedKey {
            id: EnvironmentKeyId::new(self.now, &mut self.rng),
            data_key: DataKeyId::new(self.now, &mut self.rng),
            bytes: vec![1; 61],
        };
        let environment = Environment { id: self.environment, tag: Tag::parse(tag).unwrap() };
        Registration {
            environment,
            api_keys: Vec::new(),
            keys: vec![key],
            deleted_at: None,
            damaged: Vec::new(),
        }
    }
}

/// The contract's tests on every engine, and those that need tokens of requests on the engines that know them.
macro_rules! contract {
    ($($name:ident),*; with_tokens: $($token:ident),*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Engine::embedded().await).await; })*
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $token() { super::$token(super::Engine::embedded().await).await; })*
        }
        mod dynamodb_local {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs Amazon's DynamoDB Local: tests/services/run"]
            async fn $name() { super::$name(super::Engine::named("LATCHKEY_TEST_DYNAMODB_LOCAL").await).await; })*
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs Amazon's DynamoDB Local: tests/services/run"]
            async fn $token() { super::$token(super::Engine::named("LATCHKEY_TEST_DYNAMODB_LOCAL").await).await; })*
        }
        mod moto {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs a moto server: tests/services/run"]
            async fn $name() { super::$name(super::Engine::named("LATCHKEY_TEST_MOTO").await).await; })*
        }
    };
}

contract!(
    a_factor_reads_back_as_it_was_written,
    a_challenge_reads_back_and_carries_a_ttl_in_seconds,
    what_exists_is_not_written_again,
    a_guard_is_written_over_the_version_it_was_decided_on,
    a_secret_is_sealed_again_once_and_beside_a_guard,
    of_racing_guards_one_is_written,
    a_deleted_factor_takes_no_guard,
    recovery_codes_replace_the_earlier_ones,
    a_used_recovery_code_is_removed_with_its_verdict,
    an_import_replaces_no_factor,
    every_factor_of_an_environment_is_found_page_by_page,
    a_page_follows_the_index_both_ways,
    a_message_is_reserved_once_and_its_log_comes_back,
    a_message_is_marked_over_the_log_it_was_decided_on,
    a_reserved_message_is_taken_over_with_its_challenge,
    a_withdrawn_message_leaves_its_log_and_no_challenge,
    a_budget_that_is_used_up_refuses_the_whole_transaction,
    an_environment_is_made_once_and_found_by_its_tag,
    api_keys_come_and_go_within_their_room,
    an_erased_environment_keeps_nothing_and_can_be_removed,
    the_keyring_reads_back_in_order,
    the_table_has_its_ttl;
    with_tokens: a_repeated_reservation_is_the_same_one
);

async fn a_factor_reads_back_as_it_was_written(mut engine: Engine) {
    let factor = engine.factor();
    engine.store.enroll(&factor).await.unwrap();
    let id = factor.id;
    assert_eq!(engine.store.factor(engine.environment, id).await.unwrap(), Some(factor));
    let elsewhere = EnvironmentId::new(engine.now, &mut engine.rng);
    assert_eq!(engine.store.factor(elsewhere, id).await.unwrap(), None);
}

async fn a_challenge_reads_back_and_carries_a_ttl_in_seconds(mut engine: Engine) {
    let factor = engine.factor();
    let challenge = engine.challenge(&factor);
    engine.store.open_challenge(&challenge).await.unwrap();
    assert_eq!(
        engine.store.challenge(engine.environment, challenge.id).await.unwrap(),
        Some(challenge.clone())
    );
    let items = engine.client.scan().table_name(&engine.table).send().await.unwrap();
    let ttl: u64 = items.items()[0][attr::TTL].as_n().unwrap().parse().unwrap();
    assert_eq!(ttl, challenge.expires_at.plus(Duration::from_hours(24)).seconds());
}

async fn what_exists_is_not_written_again(mut engine: Engine) {
    let factor = engine.factor();
    engine.store.enroll(&factor).await.unwrap();
    engine.store.enroll(&factor).await.unwrap(); // The same call again: its first response was lost.
    let mut other = factor.clone();
    other.created_at = engine.now.plus(Duration::from_millis(1));
    assert!(engine.store.enroll(&other).await.is_err(), "another one's");
    assert_eq!(engine.store.factor(engine.environment, factor.id).await.unwrap(), Some(factor));
}

async fn a_guard_is_written_over_the_version_it_was_decided_on(mut engine: Engine) {
    let seen = engine.factor();
    engine.store.enroll(&seen).await.unwrap();
    let next = engine.after_a_guess(&seen);
    assert!(matches!(engine.store.settle(seen.guard.version, &next).await.unwrap(), WriteOutcome::Written));
    // A refused write returns the current item.
    let late = engine.after_a_guess(&seen);
    let WriteOutcome::Changed(Some(current)) = engine.store.settle(seen.guard.version, &late).await.unwrap()
    else {
        panic!("an outdated guard was written");
    };
    assert_eq!(*current, next);
}

async fn a_secret_is_sealed_again_once_and_beside_a_guard(mut engine: Engine) {
    let seen = engine.factor();
    engine.store.enroll(&seen).await.unwrap();
    let item = SealedItem::Factor(Box::new(seen.clone()), seen.credential.secret().unwrap().clone());
    let next = Sealed { key: EnvironmentKeyId::new(engine.now, &mut engine.rng), bytes: vec![5] };
    let late = Sealed { bytes: vec![6], ..next.clone() };
    for sealed in [&next, &late] {
        engine.operator.rewrap(&item, sealed).await.unwrap();
    }
    // A verify that read the factor before is written all the same.
    let next_guard = engine.after_a_guess(&seen);
    assert!(matches!(
        engine.store.settle(seen.guard.version, &next_guard).await.unwrap(),
        WriteOutcome::Written
    ));
    let now = engine.store.factor(engine.environment, seen.id).await.unwrap().unwrap();
    assert_eq!((now.credential.secret(), &now.guard), (Some(&next), &next_guard.guard));
    engine.store.delete_factor(engine.environment, seen.id).await.unwrap();
    engine.operator.rewrap(&item, &next).await.unwrap();
    assert_eq!(engine.store.factor(engine.environment, seen.id).await.unwrap(), None);
}

async fn of_racing_guards_one_is_written(mut engine: Engine) {
    let seen = engine.factor();
    engine.store.enroll(&seen).await.unwrap();
    let guesses: Vec<Factor> = (0..8).map(|_| engine.after_a_guess(&seen)).collect();
    let mut racing = tokio::task::JoinSet::new();
    for next in guesses {
        let (store, version) = (engine.store.clone(), seen.guard.version);
        racing.spawn(
            async move { matches!(store.settle(version, &next).await.unwrap(), WriteOutcome::Written) },
        );
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|written| *written).count(), 1);
}

async fn a_deleted_factor_takes_no_guard(mut engine: Engine) {
    let seen = engine.factor();
    engine.store.enroll(&seen).await.unwrap();
    for _ in 0..2 {
        engine.store.delete_factor(engine.environment, seen.id).await.unwrap();
    }
    let next = engine.after_a_guess(&seen);
    assert!(matches!(
        engine.store.settle(seen.guard.version, &next).await.unwrap(),
        WriteOutcome::Changed(None)
    ));
    assert_eq!(engine.store.factor(engine.environment, seen.id).await.unwrap(), None);
}

async fn recovery_codes_replace_the_earlier_ones(mut engine: Engine) {
    let (first, second) = (engine.recovery_codes(), engine.recovery_codes());
    for set in [&first, &first, &second] {
        engine.store.replace_recovery_codes(set).await.unwrap();
        assert_eq!(
            engine.store.recovery_codes(engine.environment, &set.user).await.unwrap().as_ref(),
            Some(set)
        );
    }
    // A verdict on the earlier set is not written over the later one.
    let late = engine.store.settle(first.guard.version, &first).await.unwrap();
    assert!(matches!(late, WriteOutcome::Changed(Some(current)) if *current == second));
    for _ in 0..2 {
        engine.store.delete_recovery_codes(engine.environment, &second.user).await.unwrap();
    }
    assert_eq!(engine.store.recovery_codes(engine.environment, &second.user).await.unwrap(), None);
    engine.store.replace_recovery_codes(&first).await.unwrap();
    // Of sets that are written at the same time, one is left.
    let mut racing = tokio::task::JoinSet::new();
    let sets: Vec<_> = (0..8).map(|_| engine.recovery_codes()).collect();
    for set in sets.clone() {
        let store = engine.store.clone();
        racing.spawn(async move { store.replace_recovery_codes(&set).await.unwrap() });
    }
    racing.join_all().await;
    let left = engine.store.recovery_codes(engine.environment, &first.user).await.unwrap().unwrap();
    assert!(sets.contains(&left));
}

async fn a_used_recovery_code_is_removed_with_its_verdict(mut engine: Engine) {
    let seen = engine.recovery_codes();
    engine.store.replace_recovery_codes(&seen).await.unwrap();
    let mut next = seen.clone();
    next.guard.version += 1;
    next.codes.pop();
    assert!(matches!(engine.store.settle(seen.guard.version, &next).await.unwrap(), WriteOutcome::Written));
    assert_eq!(engine.store.recovery_codes(engine.environment, &seen.user).await.unwrap(), Some(next));
    let item = SealedItem::RecoveryCodes(Box::new(seen.clone()));
    let resealed = Sealed { bytes: vec![6], ..seen.key.clone() };
    engine.operator.rewrap(&item, &resealed).await.unwrap();
    let stored = engine.store.recovery_codes(engine.environment, &seen.user).await.unwrap().unwrap();
    assert_eq!((stored.key, stored.codes.len()), (resealed, seen.codes.len() - 1));
}

async fn an_import_replaces_no_factor(mut engine: Engine) {
    let factor = engine.factor();
    assert_eq!(engine.operator.import(&factor).await.unwrap(), None);
    let other = engine.after_a_guess(&factor);
    assert_eq!(engine.operator.import(&other).await.unwrap(), Some(factor.clone()));
    assert_eq!(engine.store.factor(engine.environment, factor.id).await.unwrap(), Some(factor));
}

/// An export continues at a key that another process wrote down.
async fn every_factor_of_an_environment_is_found_page_by_page(mut engine: Engine) {
    let mut factors: Vec<Factor> = (0..7).map(|_| engine.factor()).collect();
    for factor in &factors {
        engine.store.enroll(factor).await.unwrap();
        let challenge = engine.challenge(factor);
        engine.store.open_challenge(&challenge).await.unwrap();
    }
    let codes = engine.recovery_codes();
    engine.store.replace_recovery_codes(&codes).await.unwrap();
    let (mut found, mut sets, mut from, mut pages) = (Vec::new(), Vec::new(), None, 0);
    loop {
        let (page, next) = engine.operator.user_items(engine.environment, from, 3).await.unwrap();
        assert!(page.damaged.is_empty() && page.readable.len() <= 3);
        for item in page.readable {
            match item {
                UserItem::Factor(factor) => found.push(*factor),
                UserItem::RecoveryCodes(set) => sets.push(*set),
            }
        }
        pages += 1;
        let Some(next) = next else { break };
        let (pk, sk) = next.key().unwrap();
        from = Some(PagePosition::after(pk, sk));
    }
    factors.sort_by_key(|factor| factor.id);
    found.sort_by_key(|factor| factor.id);
    assert_eq!((found, sets), (factors, vec![codes]));
    assert!(pages >= 5, "{pages} pages of 15 items");
}

async fn a_page_follows_the_index_both_ways(mut engine: Engine) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        engine.now = engine.now.plus(Duration::from_millis(1));
        let factor = engine.factor();
        engine.store.enroll(&factor).await.unwrap();
        ids.push(factor.id);
    }
    let user = UserId::parse("jürgen 🔑").unwrap();
    for (from, factor_type, expected, more) in [
        (PageStart::Newest, None, vec![ids[4], ids[3]], true),
        (PageStart::Oldest, Some(FactorType::Totp), vec![ids[0], ids[1]], true),
        (PageStart::OlderThan(ids[1]), None, vec![ids[0]], false),
        (PageStart::NewerThan(ids[2]), None, vec![ids[3], ids[4]], false),
        (PageStart::Newest, Some(FactorType::Sms), vec![], false),
    ] {
        let page = Page { start: from, factor_type, limit: 2 };
        let (found, next) = engine.store.list_factors(engine.environment, &user, &page).await.unwrap();
        let found: Vec<FactorId> = found.iter().map(|factor| factor.id).collect();
        assert_eq!(next, expected.last().copied().filter(|_| more), "{page:?}");
        assert_eq!(found, expected, "{page:?}");
    }
}

/// A message to a number that was sent none before.
struct Message {
    challenge: Challenge,
    phone: PhoneMacs,
    policy: Policy,
    token: AttemptId,
}

impl Message {
    fn of(engine: &mut Engine, policy: Policy) -> Self {
        let mut factor = engine.factor();
        factor.credential = Credential::Sms { phone: Phone::parse("+15005550006").unwrap() };
        let mut macs = PhoneMacs { number: [0; 32], prefix: [3; 32] };
        rand::Rng::fill_bytes(&mut engine.rng, &mut macs.number);
        let token = AttemptId::new(engine.now, &mut engine.rng);
        Self { challenge: engine.challenge(&factor), phone: macs, policy, token }
    }

    fn request(&self) -> MessageRequest {
        MessageRequest { challenge: self.challenge.id, key: Some(RequestMac([9; 32])) }
    }

    async fn reserve(&self, engine: &Engine, seen: &PhoneLog) -> (PhoneLog, LogOutcome) {
        let next = seen.reserve(self.request(), engine.now);
        let reserved = self.write(engine, seen, &next, LogChange::Reserve(&self.challenge, &self.policy));
        (next.clone(), reserved.await)
    }

    async fn write(
        &self,
        engine: &Engine,
        seen: &PhoneLog,
        next: &PhoneLog,
        change: LogChange<'_>,
    ) -> LogOutcome {
        let write = LogWrite { phone: self.phone, seen, next, change, now: engine.now, token: self.token };
        engine.store.write_phone_log(&write).await.unwrap()
    }
}

fn policy() -> Policy {
    Settings::for_local(&|_| None).unwrap().policy
}

async fn a_message_is_reserved_once_and_its_log_comes_back(mut engine: Engine) {
    let mut message = Message::of(&mut engine, policy());
    let (log, reserved) = message.reserve(&engine, &PhoneLog::default()).await;
    assert!(matches!(reserved, LogOutcome::Written), "{reserved:?}");
    message.token = AttemptId::new(engine.now, &mut engine.rng);
    let factor = engine.factor();
    let other = Message { challenge: engine.challenge(&factor), ..message };
    let (_, refused) = other.reserve(&engine, &PhoneLog::default()).await;
    let LogOutcome::Changed(current) = refused else { panic!("{refused:?}") };
    assert_eq!(current, log);
    assert_eq!(engine.store.challenge(engine.environment, other.challenge.id).await.unwrap(), None);
    let (_, reserved) = other.reserve(&engine, &current).await;
    assert!(matches!(reserved, LogOutcome::Written), "{reserved:?}");
}

async fn a_message_is_marked_over_the_log_it_was_decided_on(mut engine: Engine) {
    let mut message = Message::of(&mut engine, policy());
    let (reserved, _) = message.reserve(&engine, &PhoneLog::default()).await;
    let tried = reserved.mark(MessageState::Tried);
    message.token = AttemptId::new(engine.now, &mut engine.rng);
    let marked = message.write(&engine, &reserved, &tried, LogChange::Mark).await;
    assert!(matches!(marked, LogOutcome::Written), "{marked:?}");
    assert_eq!(engine.store.phone_log(&message.phone).await.unwrap(), Some(tried.clone()));
    message.token = AttemptId::new(engine.now, &mut engine.rng);
    let late = message.write(&engine, &reserved, &tried.mark(MessageState::Sent), LogChange::Mark).await;
    assert!(matches!(late, LogOutcome::Changed(current) if current == tried));
}

async fn a_reserved_message_is_taken_over_with_its_challenge(mut engine: Engine) {
    let first = Message::of(&mut engine, policy());
    let (reserved, _) = first.reserve(&engine, &PhoneLog::default()).await;
    let factor = engine.factor();
    let token = AttemptId::new(engine.now, &mut engine.rng);
    let policy = Policy { sms_daily_budget: MicroUsd(1), ..policy() };
    let second = Message { challenge: engine.challenge(&factor), phone: first.phone, policy, token };
    let next = reserved.take_over(second.request(), engine.now);
    let change = LogChange::TakeOver(&second.challenge, first.challenge.id);
    let taken = second.write(&engine, &reserved, &next, change).await;
    assert!(matches!(taken, LogOutcome::Written), "no budget is charged again: {taken:?}");
    assert_eq!(engine.store.challenge(engine.environment, first.challenge.id).await.unwrap(), None);
    assert!(engine.store.challenge(engine.environment, second.challenge.id).await.unwrap().is_some());
    // The first one is late.
    let mark = reserved.mark(MessageState::Tried);
    let late = Message { token: AttemptId::new(engine.now, &mut engine.rng), ..first };
    let refused = late.write(&engine, &reserved, &mark, LogChange::Mark).await;
    assert!(matches!(refused, LogOutcome::Changed(current) if current == next));
}

async fn a_withdrawn_message_leaves_its_log_and_no_challenge(mut engine: Engine) {
    let mut message = Message::of(&mut engine, policy());
    let (reserved, _) = message.reserve(&engine, &PhoneLog::default()).await;
    let next = reserved.mark(MessageState::Reserved);
    message.token = AttemptId::new(engine.now, &mut engine.rng);
    let withdrawn = message.write(&engine, &reserved, &next, LogChange::Withdraw(&message.challenge)).await;
    assert!(matches!(withdrawn, LogOutcome::Written), "{withdrawn:?}");
    assert_eq!(engine.store.challenge(engine.environment, message.challenge.id).await.unwrap(), None);
    assert_eq!(engine.store.phone_log(&message.phone).await.unwrap(), Some(next));
}

/// The same transaction again, because its response was lost. moto does not support request tokens and refuses it.
async fn a_repeated_reservation_is_the_same_one(mut engine: Engine) {
    let message = Message::of(&mut engine, policy());
    for _ in 0..2 {
        let (_, reserved) = message.reserve(&engine, &PhoneLog::default()).await;
        assert!(matches!(reserved, LogOutcome::Written), "{reserved:?}");
    }
}

async fn a_budget_that_is_used_up_refuses_the_whole_transaction(mut engine: Engine) {
    for _ in 0..MAX_SMS_PER_PREFIX {
        let message = Message::of(&mut engine, policy());
        let (_, reserved) = message.reserve(&engine, &PhoneLog::default()).await;
        assert!(matches!(reserved, LogOutcome::Written), "{reserved:?}");
    }
    let message = Message::of(&mut engine, policy());
    let (_, refused) = message.reserve(&engine, &PhoneLog::default()).await;
    assert!(matches!(refused, LogOutcome::OverBudget(_)), "{refused:?}");
    assert_eq!(engine.store.challenge(engine.environment, message.challenge.id).await.unwrap(), None);
    // Money: a whole day's budget is one message.
    let mut poor = Message::of(&mut engine, Policy { sms_daily_budget: MicroUsd(100_000), ..policy() });
    poor.phone.prefix = [4; 32];
    let (_, refused) = poor.reserve(&engine, &PhoneLog::default()).await;
    assert!(matches!(refused, LogOutcome::OverBudget(_)), "{refused:?}");
}

async fn an_environment_is_made_once_and_found_by_its_tag(mut engine: Engine) {
    let new = engine.registration("shop");
    assert_eq!(engine.operator.add_environment(&new).await.unwrap(), ChangeOutcome::Done);
    let second = engine.registration("shop");
    assert_eq!(engine.operator.add_environment(&second).await.unwrap(), ChangeOutcome::Refused);
    assert_eq!(engine.store.environment(&new.environment.tag).await.unwrap(), Some(new.clone()));
    assert_eq!(engine.store.environment(&Tag::parse("other").unwrap()).await.unwrap(), None);
    assert_eq!(engine.operator.environments().await.unwrap().readable, [new]);
}

async fn api_keys_come_and_go_within_their_room(mut engine: Engine) {
    let new = engine.registration("shop");
    let tag = new.environment.tag.clone();
    let mut entry = || {
        let id = ApiKeyId::new(engine.now, &mut engine.rng);
        ApiKey::random(&tag, &mut engine.rng).entry(id, Scope::Verify, Some(engine.now))
    };
    let (orphan, first) = (entry(), entry());
    let more: Vec<_> = (1..MAX_API_KEYS).map(|_| entry()).collect();
    assert_eq!(engine.operator.add_api_key(&tag, &orphan).await.unwrap(), ChangeOutcome::Refused);
    engine.operator.add_environment(&new).await.unwrap();
    for key in [&first].into_iter().chain(&more) {
        assert_eq!(engine.operator.add_api_key(&tag, key).await.unwrap(), ChangeOutcome::Done);
    }
    assert_eq!(engine.operator.add_api_key(&tag, &orphan).await.unwrap(), ChangeOutcome::Refused);
    assert_eq!(engine.operator.revoke_api_key(&tag, first.id).await.unwrap(), ChangeOutcome::Done);
    assert_eq!(engine.operator.revoke_api_key(&tag, first.id).await.unwrap(), ChangeOutcome::Refused);
    let mut kept = engine.store.environment(&tag).await.unwrap().unwrap().api_keys;
    let mut expected = more;
    expected.sort_by_key(|key| key.id);
    kept.sort_by_key(|key| key.id);
    assert_eq!(kept, expected);
}

async fn an_erased_environment_keeps_nothing_and_can_be_removed(mut engine: Engine) {
    let new = engine.registration("shop");
    let tag = new.environment.tag.clone();
    engine.operator.add_environment(&new).await.unwrap();
    assert_eq!(
        engine.operator.remove_environment(&tag).await.unwrap(),
        ChangeOutcome::Refused,
        "not erased yet"
    );
    assert_eq!(engine.operator.erase_environment(&tag, engine.now).await.unwrap(), ChangeOutcome::Done);
    let erased = engine.store.environment(&tag).await.unwrap().unwrap();
    assert_eq!((erased.keys, erased.deleted_at), (Vec::new(), Some(engine.now)));
    let late = engine.registration("shop").keys.remove(0);
    assert_eq!(engine.operator.add_environment_key(&tag, &late).await.unwrap(), ChangeOutcome::Refused);
    assert_eq!(engine.operator.remove_environment(&tag).await.unwrap(), ChangeOutcome::Done);
    assert_eq!(engine.operator.environments().await.unwrap().readable, []);
}

async fn the_keyring_reads_back_in_order(mut engine: Engine) {
    let mut entries = Vec::new();
    for byte in 0..3 {
        let later = engine.now.plus(Duration::from_secs(byte.into()));
        entries.push(WrappedDataKey { id: DataKeyId::new(later, &mut engine.rng), bytes: vec![byte; 184] });
    }
    for entry in entries.iter().rev() {
        engine.operator.add_data_key(entry).await.unwrap();
    }
    assert!(engine.store.keyring().await.unwrap().readable == entries);
    engine.operator.remove_data_key(entries[0].id).await.unwrap();
    assert!(engine.store.data_key(entries[0].id).await.unwrap().is_none());
    assert!(engine.store.data_key(entries[1].id).await.unwrap().as_ref() == entries.get(1));
}

async fn the_table_has_its_ttl(engine: Engine) {
    engine.operator.create_table().await.unwrap(); // Twice is once.
    let ttl = engine.client.describe_time_to_live().table_name(&engine.table).send().await.unwrap();
    let ttl = ttl.time_to_live_description().unwrap();
    assert_eq!(ttl.attribute_name(), Some(attr::TTL));
}
