//! What Latchkey is built from and with: one registry, pinned, without unsafe code and without switches.

use crate::architecture::{root, sources};
use serde_yaml_ng::Value;
use std::fs;

const MEMBERS: [&str; 9] = [
    "shared",
    "functions/enroll",
    "functions/challenge",
    "functions/verify",
    "functions/factors",
    "cli",
    "tests",
    "tests/rig",
    "benches",
];

/// Lists of Python packages: `.in` is written by hand, `.txt` compiled from it. Each version of the Python SDK has one, too:
/// [`python_lists`].
const PYTHON: [&str; 10] = [
    ".ci/requirements",
    ".ci/requirements-checkov",
    "benches/peers/python/requirements",
    "examples/django/requirements",
    "examples/fastapi/requirements",
    "tests/formats/python/requirements",
    "tests/it/phone/requirements",
    "tests/openapi/requirements",
    "tests/services/requirements",
    "tests/sdk/python/requirements",
];

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every list of Python packages, without its ending.
fn python_lists() -> Vec<String> {
    let versions = "tests/sdk/python/versions";
    let files = fs::read_dir(root().join(versions)).unwrap().map(|entry| entry.unwrap().file_name());
    let names = files.filter_map(|name| name.to_str().unwrap().strip_suffix(".in").map(str::to_owned));
    let lists = names.map(|name| format!("{versions}/{name}"));
    PYTHON.map(str::to_owned).into_iter().chain(lists).collect()
}

#[test]
fn sup_01_every_crate_is_from_crates_io_by_its_checksum() {
    // The fuzz targets' lock has what the tests are made of: shared, cli, tests and the targets themselves.
    let locks =
        [("Cargo.lock", MEMBERS.len()), ("tests/fuzz/Cargo.lock", 4), ("tests/sdk/rust/Cargo.lock", 1)];
    for (file, members) in locks {
        let lock = read(file);
        let (ours, theirs): (Vec<_>, Vec<_>) =
            lock.split("[[package]]\n").skip(1).partition(|package| !package.contains("\nsource = "));
        assert_eq!(ours.len(), members, "{file}");
        for package in theirs {
            assert!(
                package.contains(
                    "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \""
                ),
                "{file}: {package}"
            );
        }
    }
}

/// F15
#[test]
fn sup_02_what_the_fuzz_targets_depend_on_is_checked_like_the_rest() {
    let deny = "cargo deny --manifest-path tests/fuzz/Cargo.toml --locked check";
    assert!(read(".ci/run").contains(deny));
}

#[test]
fn sup_01_nothing_that_is_checked_or_shipped_is_built_without_the_lock() {
    for script in [
        ".ci/run",
        ".ci/release",
        ".ci/release-command",
        ".ci/tools",
        "Dockerfile",
        "benches/run",
        "benches/setup",
        "examples/testing/run",
        "tests/it/phone/run",
        "tests/lambda/run",
        "tests/openapi/run",
        "tests/rig/run",
        "tests/sdk/run",
        "tests/services/run",
    ] {
        for line in read(script).lines() {
            let builds = ["auditable", "build", "clippy", "deny", "doc", "install", "test"]
                .iter()
                .any(|verb| line.trim_start().contains(&format!("cargo {verb} ")));
            let comment = line.trim_start().starts_with('#');
            assert!(comment || !builds || line.contains("--locked"), "{script}: {line}");
        }
    }
}

/// What catches a panic is tested with the answers to faults.
#[test]
fn sup_02_advisories_are_asked_for_every_week_of_the_graph_and_of_the_binaries() {
    let workflow = read(".github/workflows/ci.yml");
    let workflow: Value = serde_yaml_ng::from_str(&workflow).unwrap();
    assert!(workflow["on"]["schedule"][0]["cron"].as_str().unwrap().ends_with("* * 1"));
    let job = &workflow["jobs"]["release"];
    assert!(job.get("if").is_none());
    let steps = job["steps"].as_sequence().unwrap();
    let runs =
        |what: &str| steps.iter().any(|step| step["run"].as_str().is_some_and(|run| run.contains(what)));
    assert!(runs("deny --locked check -D warnings advisories"));
    assert!(runs(".ci/release --arm64") && runs("audit bin target/lambda/*/bootstrap"));
}

/// An exemption counts for the series it names, so a move to another one brings it up again.
#[test]
fn sup_04_the_crates_that_would_hurt_are_exempted_at_the_versions_in_use() {
    let (page, lock) = (read("docs/SUPPLY.md"), read("Cargo.lock"));
    let table = page.split("\n## Critical crates\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let mut exempted = 0;
    for row in rows.filter(|line| line.starts_with('|')) {
        for entry in row.split('|').nth(1).unwrap().split('`').skip(1).collect::<Vec<_>>().chunks(2) {
            let series = entry[1].split([' ', ',']).find(|word| word.contains('.')).unwrap();
            let locked = format!("\nname = \"{}\"\nversion = \"{series}.", entry[0]);
            assert!(lock.contains(&locked), "docs/SUPPLY.md exempts {} {series}", entry[0]);
            exempted += 1;
        }
    }
    assert!(exempted > 30, "{exempted}");
}

#[test]
fn sup_05_unsafe_code_is_forbidden_sums_are_checked_and_panics_unwind() {
    let workspace = read("Cargo.toml");
    let release = workspace.split("[profile.release]\n").nth(1).unwrap();
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    assert!(release.contains("overflow-checks = true\n"));
    assert!(!workspace.contains("panic = \"abort\""));
    for member in MEMBERS {
        assert!(read(&format!("{member}/Cargo.toml")).contains("\n[lints]\nworkspace = true\n"), "{member}");
    }
}

/// Every `uses:` below a workflow's node.
pub(crate) fn actions(node: &Value, found: &mut Vec<String>) {
    match node {
        Value::Mapping(entries) => {
            for (key, value) in entries {
                match (key.as_str(), value.as_str()) {
                    (Some("uses"), Some(action)) => found.push(action.to_owned()),
                    _ => actions(value, found),
                }
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| actions(item, found)),
        _ => {}
    }
}

/// What may write is looked at in `release.rs`.
#[test]
fn sup_06_every_action_is_pinned_by_its_commit_and_may_only_read() {
    let mut found = Vec::new();
    for workflow in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = workflow.unwrap().path();
        let workflow: Value = serde_yaml_ng::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        actions(&workflow, &mut found);
        let only_reads: Value = serde_yaml_ng::from_str("{ contents: read }").unwrap();
        assert_eq!(workflow["permissions"], only_reads);
        for (name, job) in workflow["jobs"].as_mapping().unwrap() {
            let Some(permissions) = job.get("permissions") else { continue };
            let publishes = path.ends_with("release.yml") && name == "publish";
            let reads = permissions.as_mapping().unwrap().values().all(|access| access == "read");
            assert!(reads || publishes, "{}: {name:?}", path.display());
        }
    }
    assert!(!found.is_empty());
    for action in found {
        let (_, commit) = action.split_once('@').unwrap_or_else(|| panic!("{action} has no version"));
        let pinned = commit.len() == 40 && commit.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        assert!(pinned, "{action}");
    }
}

/// The oldest Rust that is promised is the one that everything is tested with.
#[test]
fn sup_06_toolchain_and_tools_are_pinned() {
    let toolchain = read("rust-toolchain.toml");
    let version = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    let (minor, patch) = version.rsplit_once('.').unwrap();
    assert!(patch.parse::<u8>().is_ok(), "{version}");
    assert!(read("Cargo.toml").contains(&format!("\nrust-version = \"{minor}\"\n")));
    let lists = python_lists().into_iter().map(|list| (format!("{list}.in"), "=="));
    for (list, pin) in lists.chain([(".ci/crates.txt".to_owned(), "@")]) {
        for tool in read(&list).lines() {
            let version = tool.split(pin).nth(1).unwrap_or_else(|| panic!("{list}: {tool}"));
            assert!(version.split('.').count() == 3 && !version.contains('*'), "{list}: {tool}");
        }
    }
    for tool in read(".ci/crates.txt").lines() {
        let hash = tool.split_once(' ').unwrap_or_else(|| panic!("{tool}")).1;
        assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{tool}");
    }
}

/// F15. A version of a Python package is many files, and what a tool depends on is part of the tool.
#[test]
fn sup_06_python_packages_and_all_they_depend_on_are_pinned_by_their_hashes() {
    for list in python_lists() {
        let compiled = read(&format!("{list}.txt"));
        let packages: Vec<&str> = compiled.split('\n').filter(|line| !line.starts_with([' ', '#'])).collect();
        for tool in read(&format!("{list}.in")).lines() {
            let (name, version) = tool.split_once("==").unwrap();
            let name = name.split('[').next().unwrap();
            let found = packages.iter().any(|package| {
                package.split(['[', '=']).next() == Some(name) && package.contains(&format!("=={version} "))
            });
            assert!(found, "{list}.txt is older than {list}.in: {tool}");
        }
        for package in compiled.replace("\\\n", "").lines().filter(|line| !line.starts_with('#')) {
            assert!(package.contains("==") && package.contains("--hash=sha256:"), "{list}.txt: {package}");
        }
    }
    for script in
        [".ci/run", ".ci/release", ".ci/tools", "tests/lambda/run", "tests/rig/run", "tests/sdk/run"]
            .into_iter()
            .chain([".ci/container", ".ci/package", ".ci/release-command", "Dockerfile"])
            .chain(["benches/setup", "tests/formats/run", "tests/it/phone/run", "tests/openapi/run"])
            .chain(["examples/run", "tests/services/run", "tests/services/start"])
    {
        for install in read(script).replace("\\\n", "").lines().filter(|line| line.contains("pip\" ")) {
            let checked = install.contains("--require-hashes") || install.contains("${pip[@]}");
            assert!(checked, "{script}: {install}");
        }
    }
    assert!(read(".ci/tools").contains("pip=(install --quiet --disable-pip-version-check --require-hashes "));
}

/// What Latchkey is measured beside is the same in every run, too.
#[test]
fn sup_06_npm_packages_of_the_bench_are_pinned_by_their_hashes() {
    let list: Value = serde_yaml_ng::from_str(&read("benches/peers/package.json")).unwrap();
    for (name, version) in list["dependencies"].as_mapping().unwrap() {
        assert!(version.as_str().unwrap().bytes().all(|b| b == b'.' || b.is_ascii_digit()), "{name:?}");
    }
    let lock: Value = serde_yaml_ng::from_str(&read("benches/peers/package-lock.json")).unwrap();
    assert_eq!(lock["packages"][""]["dependencies"], list["dependencies"]);
    let packages =
        lock["packages"].as_mapping().unwrap().iter().filter(|(path, _)| path.as_str() != Some(""));
    for (path, package) in packages {
        assert!(package["integrity"].as_str().unwrap().starts_with("sha512-"), "{path:?}");
    }
}

/// The SDKs that are tested are those that were looked at: each is named by its exact version, and its files by their hashes.
#[test]
fn sup_06_every_tested_sdk_is_pinned() {
    let node: Value = serde_yaml_ng::from_str(&read("tests/sdk/node/package.json")).unwrap();
    let pins = node["dependencies"].as_mapping().unwrap().values();
    for pin in pins.map(|pin| pin.as_str().unwrap()) {
        let version = pin.strip_prefix("npm:@workos-inc/node@").unwrap_or_else(|| panic!("{pin}"));
        assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{pin}");
    }
    let lock: Value = serde_yaml_ng::from_str(&read("tests/sdk/node/package-lock.json")).unwrap();
    for (path, package) in lock["packages"].as_mapping().unwrap() {
        assert!(path.as_str() == Some("") || package["integrity"].is_string(), "{path:?}");
    }
    for line in read("tests/sdk/rust/Cargo.toml").lines().filter(|line| line.contains("version = ")) {
        assert!(line.contains("version = \"="), "{line}");
    }
    for (modules, sums) in [("go.mod", "go.sum"), ("v6.4.mod", "v6.4.sum")] {
        let sums = read(&format!("tests/sdk/go/{sums}"));
        for line in
            read(&format!("tests/sdk/go/{modules}")).lines().filter(|line| line.contains("github.com"))
        {
            let pin = line.trim().split(" //").next().unwrap();
            assert!(sums.contains(&format!("{pin} h1:")), "{pin}");
        }
    }
}

/// Whatever compiles into a function compiles into every function: there is no feature and no build that is easier to pass.
/// What a release holds is looked at in `.ci/release`.
#[test]
fn sup_11_no_switch_compiles_a_bypass_into_a_function() {
    for member in MEMBERS {
        assert!(!read(&format!("{member}/Cargo.toml")).contains("[features]"), "{member}");
    }
    for (path, text) in sources("shared/src").into_iter().chain(sources("functions")) {
        for form in ["cfg(", "cfg_attr(", "cfg!("] {
            for condition in text.split(form).skip(1).map(str::trim_start) {
                let test = condition.strip_prefix("test").is_some_and(|rest| rest.starts_with([')', ',']));
                assert!(test, "{}: {form}{}", path.display(), condition.lines().next().unwrap());
            }
        }
    }
}
