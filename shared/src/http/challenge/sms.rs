//! A challenge by text message: budgets and challenge in one transaction, then the message.
//!
//! The order is what keeps the promises. A message never carries a code that cannot be verified, because the challenge
//! is durable before (FLT-08). A request is never sent two, because its number's log has it before (FLT-11). What was
//! charged is never given back, because a failure would be a free try (FLT-09).

use super::{Sender, with_code};
use crate::core::{Caller, Core};
use crate::domain::challenge::Challenge;
use crate::domain::code::Code;
use crate::domain::factor::Factor;
use crate::domain::id::AttemptId;
use crate::domain::phone::Phone;
use crate::domain::policy::{RESERVE_PAUSE, RESERVE_ROUNDS};
use crate::domain::sms_budget::{LastSend, OverBudget, PhoneLog, RequestMac};
use crate::domain::sms_text::SmsTemplate;
use crate::http::audit::Trail;
use crate::http::error::Error;
use crate::http::extract::{Fields, IdempotencyKey};
use crate::seal::PhoneMacs;
use crate::store::{Reservation, Reserved};
use rand::RngExt as _;

pub(super) async fn challenge(
    sender: &Sender,
    caller: &Caller,
    trail: &Trail,
    factor: &Factor,
    phone: &Phone,
    IdempotencyKey(key): IdempotencyKey,
    mut fields: Fields,
) -> Result<Challenge, Error> {
    let core = &sender.core;
    let template = fields.optional("sms_template", SmsTemplate::parse);
    let template = fields.check(Some(template))?.unwrap_or_else(|| sender.sms.template().clone());
    if !core.policy.sms_countries.allow(phone.country()) {
        return Err(Error::PhoneNotSupported);
    }
    let seal = core.seal(caller).await?;
    let request = key.map(|key| seal.request(&key, factor)).transpose()?;
    let (challenge, code) = with_code(core, &seal, factor)?;
    match reserve(core, &challenge, seal.phone(phone)?, request).await? {
        Outcome::Reserved => {
            trail.charged(core.policy.sms_max_price);
            let challenge = send(sender, phone, &template, challenge, &code).await?;
            trail.sent();
            Ok(challenge)
        }
        Outcome::Repeated(earlier) => Ok(earlier),
        Outcome::Refused(over) => Err(over.into()),
    }
}

/// What a request for a message comes to.
enum Outcome {
    /// The message may be sent.
    Reserved,
    /// The same request was sent one a moment ago, for this challenge.
    Repeated(Challenge),
    /// A budget is used up.
    Refused(OverBudget),
}

/// Charges the budgets and writes the challenge, unless there is no room.
async fn reserve(
    core: &Core,
    challenge: &Challenge,
    phone: PhoneMacs,
    request: Option<RequestMac>,
) -> Result<Outcome, Error> {
    let last = LastSend { challenge: challenge.id, request };
    let mut seen = PhoneLog::default();
    for _ in 0..RESERVE_ROUNDS {
        let (now, mut rng) = (core.now(), core.rng()?);
        if let Err(over) = seen.admit(now) {
            return Ok(match repeated(core, challenge, &seen, request).await? {
                Some(earlier) => Outcome::Repeated(earlier),
                None => Outcome::Refused(over),
            });
        }
        let next = seen.with(last.clone(), now);
        let (policy, token) = (&*core.policy, AttemptId::new(now, &mut rng));
        let reservation = Reservation { challenge, phone, seen: &seen, next: &next, policy, now, token };
        match core.store.reserve_sms(&reservation).await? {
            Reserved::Granted => return Ok(Outcome::Reserved),
            Reserved::Changed(log) => seen = log,
            Reserved::OverBudget(over) => return Ok(Outcome::Refused(over)),
            Reserved::Conflict => tokio::time::sleep(RESERVE_PAUSE.mul_f64(rng.random())).await,
        }
    }
    Err(Error::busy())
}

/// The challenge the same request was answered with before, if it is still open.
async fn repeated(
    core: &Core,
    challenge: &Challenge,
    log: &PhoneLog,
    request: Option<RequestMac>,
) -> Result<Option<Challenge>, Error> {
    let Some(id) = request.and_then(|request| log.answer_to(request)) else { return Ok(None) };
    let earlier = core.store.challenge(challenge.environment, id).await?;
    Ok(earlier.filter(|earlier| earlier.is_open(core.now())))
}

/// Sends the message, once. What certainly was not sent cannot be verified either.
async fn send(
    Sender { core, sms }: &Sender,
    phone: &Phone,
    template: &SmsTemplate,
    challenge: Challenge,
    code: &Code,
) -> Result<Challenge, Error> {
    let Err(error) = sms.send(phone, &template.with(code), core.policy.sms_max_price).await else {
        return Ok(challenge);
    };
    if error.is_certain() {
        core.store.withdraw(&challenge).await?;
    }
    Err(Error::not_sent(error, phone))
}
