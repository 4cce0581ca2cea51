//! Every version of the Rust SDK in Cargo.toml, through its own methods.
//!
//! Prints a line for each operation: the version, the column of docs/COMPATIBILITY.md, what came of it, and why.
//! `../table.py` reads them.

mod sdk;
mod server;

use sdk::{Challenge, Factor, Failure, ISSUER, Kind, Outcome, Sdk, v0, v1, v2, v3};
use server::Server;

/// One version under test.
struct Run<'a, S> {
    sdk: S,
    stranger: S,
    server: &'a Server,
}

fn check(is: bool, why: impl FnOnce() -> String) -> Outcome<()> {
    if is { Ok(()) } else { Err(Failure::Failed(why())) }
}

/// The call has to fail and to say one of these texts.
fn refused<T>(result: Outcome<T>, says: &[&str]) -> Outcome<()> {
    match result {
        Ok(_) => Err("the call succeeded".to_owned().into()),
        Err(Failure::Absent) => Err(Failure::Absent),
        Err(Failure::Failed(why)) => check(says.iter().any(|text| why.contains(text)), || why.clone()),
    }
}

/// Version 0 tells the status of an error, and later ones the code.
const ALREADY_VERIFIED: [&str; 2] = ["authentication_challenge_previously_verified", "422"];
const TOO_MANY_ATTEMPTS: [&str; 2] = ["one_time_code_too_many_attempts", "400"];
const EXPIRED: [&str; 2] = ["authentication_challenge_expired", "422"];
const INVALID_PHONE: [&str; 2] = ["invalid_phone_number", "InvalidPhoneNumber"];
const NOT_FOUND: [&str; 2] = ["entity_not_found", "404"];

impl<S: Sdk> Run<'_, S> {
    async fn valid(&self, challenge: &str, code: &str) -> Outcome<bool> {
        Ok(self.sdk.verify(challenge, code).await?.0)
    }

    /// A challenge of a new TOTP factor, and its right code.
    async fn login(&self) -> Outcome<(Factor, Challenge, String)> {
        let factor = self.sdk.enroll(Kind::Totp).await?;
        let challenge = self.sdk.challenge(&factor.id, None).await?;
        let code = self.server.totp_code(&factor.secret, 0).await;
        Ok((factor, challenge, code))
    }

    async fn operation(&self, column: usize) -> Outcome<()> {
        let (sdk, server) = (&self.sdk, self.server);
        match column {
            1 => {
                let factor = sdk.enroll(Kind::Totp).await?;
                check(factor.id.starts_with("auth_factor_") && factor.is_totp, || factor.id.clone())?;
                check(factor.issuer.is_empty() || factor.issuer == ISSUER, || factor.issuer.clone())?;
                check(factor.secret.len() == 32 && factor.uri.contains(&factor.secret), || "the URI".into())?;
                check(factor.qr_code.starts_with("data:image/png;base64,iVBORw0KGgo"), || {
                    "the QR code".into()
                })
            }
            2 => {
                let phone = server.new_phone().await;
                let factor = sdk.enroll(Kind::Sms(&phone)).await?;
                check(!factor.is_totp && factor.phone == phone, || factor.phone.clone())
            }
            3 => {
                let factor = sdk.enroll(Kind::GenericOtp).await?;
                let challenge = sdk.challenge(&factor.id, None).await?;
                check(challenge.code.len() == 6, || "no code".into())?;
                check(self.valid(&challenge.id, &challenge.code).await?, || "its code is not valid".into())
            }
            4 => {
                let id = server.used_totp(&server::new_user()).await;
                let factor = sdk.get(&id).await?;
                check((factor.id, factor.issuer.as_str()) == (id, ISSUER), || "another factor".into())
            }
            5 => {
                let (factor, challenge, _) = self.login().await?;
                check(challenge.factor == factor.id && challenge.code.is_empty(), || {
                    "not its challenge".into()
                })?;
                let seconds = server::seconds_between(&challenge.created_at, &challenge.expires_at);
                check(seconds == 600, || format!("{seconds} s"))
            }
            6 => {
                let phone = server.new_phone().await;
                let factor = sdk.enroll(Kind::Sms(&phone)).await?;
                let challenge = sdk.challenge(&factor.id, Some("Foo Corp: {{code}} is your code")).await?;
                let texts = server.texts_to(&phone).await;
                check(texts.len() == 1 && texts[0].starts_with("Foo Corp: "), || {
                    format!("{} texts", texts.len())
                })?;
                let valid = self.valid(&challenge.id, &server::code_in(&texts[0])).await?;
                check(valid, || "its code is not valid".into())
            }
            7 => {
                let (factor, challenge, _) = self.login().await?;
                let wrong = server.wrong_code(&factor.secret).await;
                check(!self.valid(&challenge.id, &wrong).await?, || "a wrong code is valid".into())
            }
            8 => {
                let (_, challenge, code) = self.login().await?;
                let (valid, id) = sdk.verify(&challenge.id, &code).await?;
                check(valid && id == challenge.id, || format!("{valid} {id}"))
            }
            9 => {
                let (_, challenge, code) = self.login().await?;
                check(self.valid(&challenge.id, &code).await?, || "the right code is not valid".into())?;
                refused(sdk.verify(&challenge.id, &code).await, &ALREADY_VERIFIED)
            }
            10 => {
                let (factor, challenge, code) = self.login().await?;
                let wrong = server.wrong_code(&factor.secret).await;
                for _ in 0..5 {
                    check(!self.valid(&challenge.id, &wrong).await?, || "a wrong code is valid".into())?;
                }
                refused(sdk.verify(&challenge.id, &code).await, &TOO_MANY_ATTEMPTS)
            }
            11 => {
                let phone = server.new_phone().await;
                let factor = sdk.enroll(Kind::Sms(&phone)).await?;
                let challenge = sdk.challenge(&factor.id, None).await?;
                server.advance(600).await;
                let code = server::code_in(&server.texts_to(&phone).await[0]);
                refused(sdk.verify(&challenge.id, &code).await, &EXPIRED)
            }
            12 => refused(sdk.enroll(Kind::Sms("foo")).await, &INVALID_PHONE),
            13 => {
                refused(sdk.challenge("auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ", None).await, &NOT_FOUND)?;
                refused(sdk.verify("auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ", "123456").await, &NOT_FOUND)
            }
            14 => refused(self.stranger.enroll(Kind::Totp).await, &["unauthorized", "Unauthorized"]),
            15 => {
                let id = sdk.enroll(Kind::Totp).await?.id;
                sdk.delete(&id).await?;
                refused(sdk.get(&id).await, &NOT_FOUND)
            }
            16 => {
                let secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
                let (factor, challenge) = sdk.enroll_user(&server::new_user(), secret).await?;
                check(factor.secret == secret, || "the imported secret was not kept".into())?;
                let code = server.totp_code(secret, 0).await;
                check(self.valid(&challenge.id, &code).await?, || "the right code is not valid".into())
            }
            17 => {
                let user = server::new_user();
                let mut ids = Vec::new();
                for _ in 0..3 {
                    ids.insert(0, server.enroll_user(&user).await);
                }
                server.enroll_sms(&user).await;
                let listed = sdk.list_user(&user, Some(2)).await?;
                check(listed == ids, || format!("{} factors", listed.len()))
            }
            18 => {
                let mut ids = sdk.list_user(&server.crowded_user().await, None).await?;
                ids.sort_unstable();
                ids.dedup();
                check(ids.len() == 101, || format!("{} factors", ids.len()))
            }
            // No version here calls the legacy routes.
            19 => Err(Failure::Absent),
            _ => {
                let user = server::new_user();
                let (factor, code) = (server.used_totp(&user).await, server.recovery_code(&user).await);
                for expected in [true, false] {
                    let challenge = sdk.challenge(&factor, None).await?;
                    let (valid, id) = sdk.verify(&challenge.id, &code).await?;
                    check(valid == expected && id == challenge.id, || format!("{valid} {id}"))?;
                }
                Ok(())
            }
        }
    }

    /// Runs every operation of the major version `name` of Cargo.toml.
    async fn report(self, name: &str) {
        let pinned = include_str!("../Cargo.toml").split_once(&format!("\n{name} = ")).unwrap().1;
        let version = pinned.split("\"=").nth(1).unwrap().split('"').next().unwrap();
        for column in 1..=20 {
            let (outcome, why) = match self.operation(column).await {
                Ok(()) => ("passed", String::new()),
                Err(Failure::Absent) => ("absent", String::new()),
                Err(Failure::Failed(why)) => ("failed", why.split_whitespace().collect::<Vec<_>>().join(" ")),
            };
            println!("rust-{version}\t{column}\t{outcome}\t{why}");
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = Server::from_env();
    let only_newest = std::env::var_os("LATCHKEY_SDK_NEWEST").is_some();
    macro_rules! run {
        ($module:ident, $name:literal) => {
            let open = |key: &str| $module::Client::new(&server.url, key);
            Run { sdk: open(&server.key), stranger: open("sk_local_wrong"), server: &server }
                .report($name)
                .await;
        };
    }
    if !only_newest {
        run!(v0, "workos-0");
        run!(v1, "workos-1");
        run!(v2, "workos-2");
    }
    run!(v3, "workos-3");
}
