//! What every part uses: the local server's table under the functions, their programs, and the events they are invoked with.

use crate::client::{Client, Factor};
use crate::emulator::Program;
use crate::process::load_average;
use crate::table::Section;
use cli::serve::{self, Local, Options, TABLE};
use shared::config::Settings;
use std::fs;
use std::path::{Path, PathBuf};

/// The text of which QR codes are made: an otpauth URI of 145 bytes.
pub const URI: &str = "otpauth://totp/Foo%20Corp:alice.anderson@foo-corp.com?secret=LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW\
                       &issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30";

/// The user of every factor.
const USER: &str = "user_01E4ZCR3C56J083X43JQXF3JK5";

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The services that the functions call, and where the programs are.
pub struct Bench {
    pub local: Local,
    pub short: bool,
    /// The `latchkey` command.
    pub latchkey: PathBuf,
    functions: PathBuf,
}

/// One operation of the API, as a function is invoked with it.
#[derive(Clone, Copy, PartialEq)]
pub enum Operation {
    Enroll,
    Challenge,
    Verify,
    Read,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::Enroll, Self::Challenge, Self::Verify, Self::Read];

    /// The function that answers it.
    pub fn function(self) -> &'static str {
        match self {
            Self::Enroll => "enroll",
            Self::Challenge => "challenge",
            Self::Verify => "verify",
            Self::Read => "factors",
        }
    }

    /// The name of its calls alone, in the tables.
    pub fn floor(self) -> &'static str {
        match self {
            Self::Enroll => "calls of enroll",
            Self::Challenge => "calls of challenge",
            Self::Verify => "calls of verify",
            Self::Read => "calls of factors",
        }
    }
}

/// So many different events of one operation.
pub struct Events<'a> {
    bench: &'a Bench,
    operation: Operation,
    factors: Vec<Factor>,
    challenges: Vec<String>,
}

impl Bench {
    pub async fn start(functions: PathBuf, latchkey: PathBuf, short: bool) -> Self {
        let settings = Settings::for_local(&|_| None).unwrap();
        let local = serve::start(Options::in_memory(settings)).await.unwrap();
        Self { local, short, latchkey, functions }
    }

    /// What everything is measured on.
    pub fn machine() -> Section {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap();
        let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let cores = std::thread::available_parallelism().unwrap();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let text = format!(
            "{cores} cores, {}; Linux {}; load average {} when the bench started.",
            model.trim_start_matches(['\t', ' ', ':']),
            kernel.trim(),
            load_average()
        );
        Section::new("machine", text, Vec::new())
    }

    /// A function's release binary.
    pub fn function(&self, name: &str) -> Program {
        Program::new(self.functions.join(name).join("bootstrap"), &[])
    }

    /// The program that makes the calls of a function and does nothing else.
    pub async fn floor(&self, operation: Operation) -> Program {
        let client = Client::new(&self.local.url, self.local.api_key.expose());
        let factor = client.enroll(USER).await;
        let challenge = client.challenge(&factor).await;
        // A factor that has been used is larger.
        client.verify(&challenge, &factor).await;
        let challenge = client.challenge(&factor).await;
        let caller = self.local.core.authenticate(&self.local.api_key).await.unwrap().unwrap();
        let item = |id: &str| format!("{}/{id}", caller.environment.id);
        let variables = vec![
            ("FLOOR", operation.function().to_owned()),
            ("FLOOR_FACTOR", item(&factor.id)),
            ("FLOOR_CHALLENGE", item(&challenge)),
        ];
        Program { variables, ..Self::own("floor") }
    }

    /// A program of this crate.
    pub fn own(name: &str) -> Program {
        Program::new(std::env::current_exe().unwrap().with_file_name(name), &[])
    }

    /// The variables of a function, with the table at the URL `dynamodb`.
    pub fn variables(&self, dynamodb: &str, table: &str) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_ENDPOINT_URL_KMS", &self.local.kms_url),
            ("AWS_ENDPOINT_URL_SNS", &self.local.sns_url),
            ("LATCHKEY_TABLE", table),
            ("LATCHKEY_KMS_KEY_ID", serve::kms::KEY_ID),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// The variables of a function that calls the engine directly.
    pub fn engine(&self) -> Vec<(String, String)> {
        self.variables(&self.local.dynamodb_url, TABLE)
    }

    /// Prepares events: a factor for each, and its challenge for a verify.
    pub async fn events(&self, operation: Operation, count: usize) -> Events<'_> {
        let client = Client::new(&self.local.url, self.local.api_key.expose());
        let (mut factors, mut challenges) = (Vec::new(), Vec::new());
        for _ in 0..if operation == Operation::Enroll { 0 } else { count } {
            factors.push(client.enroll(USER).await);
        }
        for factor in factors.iter().filter(|_| operation == Operation::Verify) {
            challenges.push(client.challenge(factor).await);
        }
        Events { bench: self, operation, factors, challenges }
    }

    /// Events of verifies by a function without challenges, which is asked by the factor's ID.
    pub fn peer_verifies(&self, factors: Vec<Factor>) -> Events<'_> {
        let challenges = factors.iter().map(|factor| factor.id.clone()).collect();
        Events { bench: self, operation: Operation::Verify, factors, challenges }
    }
}

impl Events<'_> {
    /// Event number `n`, as API Gateway sends it, with the code that is right now.
    pub fn nth(&self, n: usize) -> String {
        let id = || self.factors[n].id.as_str();
        match self.operation {
            Operation::Enroll => self.filled("enroll-totp.json", &[]),
            Operation::Challenge => self.filled("challenge.json", &[("factor_id", id())]),
            Operation::Verify => {
                let values = [("challenge_id", &*self.challenges[n]), ("code", &self.factors[n].code())];
                self.filled("verify.json", &values)
            }
            Operation::Read => self.filled("read-factor.json", &[("factor_id", id())]),
        }
    }

    fn filled(&self, event: &str, values: &[(&str, &str)]) -> String {
        let mut text = fs::read_to_string(root().join("events").join(event)).unwrap();
        for (placeholder, value) in values.iter().chain(&[("api_key", self.bench.local.api_key.expose())]) {
            text = text.replace(&format!("{{{{{placeholder}}}}}"), value);
        }
        assert!(!text.contains("{{"), "{event} has a placeholder without a value");
        text
    }
}
