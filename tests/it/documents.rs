//! What documents say is so: docs/SECURITY.md the numbers the code decides by (THR-16), the README its tour.

use crate::app::App;
use crate::architecture::root;
use shared::domain::policy as p;
use shared::domain::sms_budget::MicroUsd;
use std::fs;
use std::process::Command;
use std::time::Duration;

fn page() -> String {
    fs::read_to_string(root().join("docs/SECURITY.md")).unwrap()
}

fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

fn dollars(MicroUsd(micros): MicroUsd) -> String {
    let (whole, cents) = (micros / 1_000_000, micros % 1_000_000 / 10_000);
    if cents == 0 { format!("${whole}") } else { format!("${whole}.{cents:02}") }
}

#[test]
fn thr_16_every_limit_is_documented_with_its_value() {
    let page = page();
    for (name, value) in [
        ("MAX_ATTEMPTS_PER_CHALLENGE", p::MAX_ATTEMPTS_PER_CHALLENGE.to_string()),
        ("TOTP_CHALLENGE_TTL", span(p::TOTP_CHALLENGE_TTL)),
        ("SMS_CHALLENGE_TTL", span(p::SMS_CHALLENGE_TTL)),
        ("GENERIC_CHALLENGE_TTL", span(p::GENERIC_CHALLENGE_TTL)),
        ("LOCKOUT_THRESHOLD", p::LOCKOUT_THRESHOLD.to_string()),
        ("MIN_LOCKOUT", span(p::MIN_LOCKOUT)),
        ("MAX_LOCKOUT", span(p::MAX_LOCKOUT)),
        ("MAX_FAILURES_PER_DAY", p::MAX_FAILURES_PER_DAY.to_string()),
        ("FAILURE_WINDOW", span(p::FAILURE_WINDOW)),
        ("MAX_CONSECUTIVE_FAILURES", p::MAX_CONSECUTIVE_FAILURES.to_string()),
        ("MAX_TRIED_CHALLENGES", p::MAX_TRIED_CHALLENGES.to_string()),
        ("SMS_COOLDOWN", span(p::SMS_COOLDOWN)),
        ("MAX_SMS_PER_10_MIN", p::MAX_SMS_PER_10_MIN.to_string()),
        ("MAX_SMS_PER_DAY", p::MAX_SMS_PER_DAY.to_string()),
        ("MAX_SMS_PER_PREFIX", p::MAX_SMS_PER_PREFIX.to_string()),
        ("DEFAULT_SMS_MAX_PRICE", dollars(p::DEFAULT_SMS_MAX_PRICE)),
        ("DEFAULT_SMS_DAILY_BUDGET", dollars(p::DEFAULT_SMS_DAILY_BUDGET)),
    ] {
        let row = page.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        assert!(row.contains(&format!("| {value} |")), "{name} is {value}: {row}");
    }
    for (name, value) in [
        ("SPENT_CHALLENGE_RETENTION", span(p::SPENT_CHALLENGE_RETENTION)),
        ("DYNAMODB_TIMEOUT", format!("{} s", shared::aws::DYNAMODB_TIMEOUT.as_secs_f64())),
        ("API_KEY_CACHE_TTL", format!("{} s", p::API_KEY_CACHE_TTL.as_secs())),
    ] {
        let line = page.replace('\n', " ");
        let (before, _) = line.split_once(&format!("`{name}`")).unwrap();
        assert!(before[before.len().saturating_sub(80)..].contains(&value), "{name} is {value}");
    }
}

/// A number the page names that the code does not have.
#[test]
fn every_number_the_page_names_exists() {
    let limits = ["shared/src/domain/policy.rs", "shared/src/aws.rs"]
        .map(|file| fs::read_to_string(root().join(file)).unwrap())
        .concat();
    let page = page();
    for name in page.split('`').skip(1).step_by(2) {
        let constant = name.len() > 4 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        assert!(
            !constant || name.starts_with("LATCHKEY") || limits.contains(&format!("pub const {name}:")),
            "{name}"
        );
    }
}

/// The odds of finding one of `right` in a million codes with this many guesses, to two digits, in percent.
fn odds(right: u32, guesses: u32) -> String {
    let percent = -100.0 * (f64::from(guesses) * (-f64::from(right) / 1e6).ln_1p()).exp_m1();
    let percent: f64 = format!("{percent:.1e}").parse().unwrap();
    let places = (0..8).find(|&places| percent >= 10_f64.powi(1 - places)).unwrap();
    format!("{percent:.*} %", usize::try_from(places).unwrap())
}

#[test]
fn thr_16_the_odds_are_recomputed() {
    let page = page();
    let a_day = u32::try_from(p::MAX_FAILURES_PER_DAY).unwrap();
    let a_challenge = u32::try_from(p::MAX_ATTEMPTS_PER_CHALLENGE).unwrap();
    let targeted = [a_challenge, a_day, p::MAX_CONSECUTIVE_FAILURES, 30 * a_day, 365 * a_day];
    let sprayed = [100 * a_day, 1_000 * a_day, 10_000 * a_day];
    let one_step = u32::try_from(2 * p::Skew::OneStep.steps() + 1).unwrap();
    for guesses in targeted.into_iter().chain(sprayed) {
        let row = format!("| {guesses} | {} | {} |", odds(1, guesses), odds(one_step, guesses));
        assert!(page.contains(&row), "{row}");
    }
    // The waits before the hundredth failure.
    let wait = |n: u32| (p::MIN_LOCKOUT * 2_u32.saturating_pow(n - p::LOCKOUT_THRESHOLD)).min(p::MAX_LOCKOUT);
    let waits: Duration = (p::LOCKOUT_THRESHOLD..p::MAX_CONSECUTIVE_FAILURES).map(wait).sum();
    assert!(page.contains(&format!("over {} h", waits.as_secs() / 3_600)));
}

/// The README's tour, pasted as one block beside a server that has just been started.
#[tokio::test(flavor = "multi_thread")]
async fn the_tour_of_the_readme_ends_in_a_verified_code() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, tour) = readme.split_once("as it stands:\n\n```sh\n").unwrap();
    let (tour, _) = tour.split_once("```").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(Some(dir.path().join(".latchkey"))).await;
    let mut bash = Command::new("bash");
    bash.args(["-c", tour]).current_dir(dir.path()).env("URL", &app.local.url);
    let pasted = tokio::task::block_in_place(|| bash.output()).unwrap();
    let said = String::from_utf8(pasted.stdout).unwrap();
    assert!(said.contains("data:image/png;base64,"), "{said}");
    assert!(said.ends_with(r#""valid":true}"#), "{said}");
}

#[test]
fn the_readme_is_short() {
    assert!(fs::read_to_string(root().join("README.md")).unwrap().lines().count() <= 120);
}

/// What people copy from the page is what `examples/testing/run` and this crate run.
#[test]
fn the_code_of_the_page_on_tests_is_that_of_the_examples() {
    let page = fs::read_to_string(root().join("docs/TESTING.md")).unwrap();
    let mut shown = 0;
    for (path, text) in crate::architecture::files() {
        let Ok(example) = path.strip_prefix(root().join("examples/testing")) else { continue };
        let language = match example.extension().and_then(|extension| extension.to_str()) {
            Some("py") => "python",
            Some("mjs") => "js",
            Some("go") => "go",
            Some("rs") => "rust",
            _ => continue,
        };
        assert!(page.contains(&format!("\n```{language}\n{text}```\n")), "{}", path.display());
        shown += 1;
    }
    let blocks =
        ["python", "js", "go", "rust"].map(|language| page.matches(&format!("```{language}\n")).count());
    assert_eq!((shown, blocks.iter().sum::<usize>()), (7, 7));
}

/// Every relative link of every document leads to a file.
#[test]
fn links_between_documents_lead_somewhere() {
    for (path, text) in crate::architecture::files() {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(path.parent().unwrap().join(target).exists(), "{}: {target}", path.display());
        }
    }
}
