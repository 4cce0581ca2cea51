//! What the release binaries cost on this machine, in one run: `benches/run` prints a table.
//!
//! Every function runs alone under an emulator of Lambda's Runtime API, with the local server's table and root key. Times
//! are medians with the 5th and 95th percentile, and mean something only beside those of `hello` in the same run. The
//! program fails if an answer is not the expected one.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool that goes wrong fails"
)]
#![expect(unreachable_pub, reason = "a program has no public interface")]

mod emulator;

use cli::serve::{self, Local, Options, TABLE};
use emulator::Function;
use serde_json::Value;
use shared::config::Settings;
use shared::domain::totp::{Secret, Step};
use shared::ports::Clock as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Starts of each function.
const STARTS: usize = 25;
/// Invocations before those that are measured.
const WARM_UP: usize = 50;
/// Invocations that are measured.
const INVOCATIONS: usize = 250;

/// A line of the table.
struct Line {
    name: &'static str,
    cold: Vec<Duration>,
    warm: Vec<Duration>,
    memory: u64,
    binary: u64,
}

/// Where everything is.
struct Bench {
    local: Local,
    functions: PathBuf,
}

#[tokio::main]
async fn main() {
    let functions = PathBuf::from(std::env::args().nth(1).expect("the directory of the functions' binaries"));
    let settings = Settings::for_local(&|_| None).unwrap();
    let local = serve::start(Options::in_memory(settings)).await.unwrap();
    let bench = Bench { local, functions };
    let load = fs::read_to_string("/proc/loadavg").unwrap();

    let mut lines = vec![
        bench.measure("hello", |_| "{}".to_owned(), |_, _| ()).await,
        bench.measure("floor", |_| "{}".to_owned(), |_, _| ()).await,
    ];
    let (mut factors, mut challenges) = (Vec::new(), Vec::new());
    let event = |name: &str, values: &[(&str, &str)]| bench.event(name, values);
    let enrolled = |_, answer: Value| factors.push(answer);
    lines.push(bench.measure("enroll", |_| event("enroll-totp.json", &[]), enrolled).await);
    let id = |factor: &Value| factor["id"].as_str().unwrap().to_owned();
    let of = |n: usize| event("challenge.json", &[("factor_id", &id(&factors[n]))]);
    lines.push(bench.measure("challenge", of, |_, answer| challenges.push(id(&answer))).await);
    let code = |n: usize| {
        let secret = Secret::from_base32(factors[n]["totp"]["secret"].as_str().unwrap()).unwrap();
        secret.code_at(Step::at(bench.local.clock.now())).unwrap().expose().to_owned()
    };
    let of = |n: usize| event("verify.json", &[("challenge_id", &challenges[n]), ("code", &code(n))]);
    lines.push(bench.measure("verify", of, |_, answer| assert_eq!(answer["valid"], true)).await);
    let of = |n: usize| event("read-factor.json", &[("factor_id", &id(&factors[n]))]);
    lines.push(bench.measure("factors", of, |_, answer| assert_eq!(answer["type"], "totp")).await);

    print(&lines, load.trim());
    bench.local.stop().await;
}

impl Bench {
    /// Starts a function many times, then invokes one of them many times with the events of `event`.
    async fn measure(
        &self,
        name: &'static str,
        event: impl Fn(usize) -> String,
        mut answered: impl FnMut(usize, Value),
    ) -> Line {
        let program = self.program(name);
        let variables = self.variables();
        let mut cold = Vec::new();
        for _ in 0..STARTS {
            let function = Function::start(&program, &variables).await;
            cold.push(function.cold);
            function.stop().await;
        }
        let mut function = Function::start(&program, &variables).await;
        let mut warm = Vec::new();
        for n in 0..WARM_UP + INVOCATIONS {
            let before = function.processor_time();
            let answer: Value = serde_json::from_slice(&function.invoke(event(n)).await).unwrap();
            if n >= WARM_UP {
                warm.push(function.processor_time().saturating_sub(before));
            }
            let status = answer["statusCode"].as_u64().unwrap_or_default();
            assert!((200..300).contains(&status), "{name}: {answer}");
            let body = answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok());
            answered(n, body.unwrap_or_default());
        }
        let memory = function.peak_memory();
        function.stop().await;
        Line { name, cold, warm, memory, binary: fs::metadata(&program).unwrap().len() }
    }

    fn program(&self, name: &str) -> PathBuf {
        let own = self.functions.join(name).join("bootstrap");
        if own.exists() { own } else { std::env::current_exe().unwrap().with_file_name(name) }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let local = &self.local;
        let pairs = [
            ("AWS_ENDPOINT_URL_DYNAMODB", local.dynamodb_url.as_str()),
            ("AWS_ENDPOINT_URL_KMS", &local.kms_url),
            ("AWS_ENDPOINT_URL_SNS", &local.sns_url),
            ("LATCHKEY_TABLE", TABLE),
            ("LATCHKEY_KMS_KEY_ID", serve::kms::KEY_ID),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// One of the events that API Gateway sends, with its placeholders filled in.
    fn event(&self, name: &str, values: &[(&str, &str)]) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name);
        let mut text = fs::read_to_string(path).unwrap();
        for (placeholder, value) in values.iter().chain(&[("api_key", self.local.api_key.expose())]) {
            text = text.replace(&format!("{{{{{placeholder}}}}}"), value);
        }
        assert!(!text.contains("{{"), "{name} has a placeholder without a value");
        text
    }
}

fn print(lines: &[Line], load: &str) {
    println!("{STARTS} starts and {INVOCATIONS} invocations each; load average {load}\n");
    println!("| | start to first event, ms | CPU per warm invocation, µs | memory, MiB | binary, MB |");
    println!("|---|---|---|---|---|");
    for line in lines {
        let cold = spread(&line.cold, 1_000_000.0);
        let warm = spread(&line.warm, 1_000.0);
        let memory = line.memory.div_ceil(1024);
        let binary = line.binary.div_ceil(100_000);
        println!("| {} | {cold} | {warm} | {memory} | {}.{} |", line.name, binary / 10, binary % 10);
    }
}

/// Median, 5th and 95th percentile, in units of so many nanoseconds.
fn spread(times: &[Duration], unit: f64) -> String {
    let mut times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e9 / unit).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!("{:.1} ({:.1} to {:.1})", at(50), at(5), at(95))
}
