//! Invariants of docs/ARCHITECTURE.md that are an absence, looked for in the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every `.rs` file below `dir`, with its text.
pub(crate) fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(dir)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "nothing in {dir}");
    found
}

fn imports(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().filter_map(|line| line.strip_prefix("use ")).collect()
}

#[test]
fn the_domain_imports_nothing_but_the_domain_and_maths() {
    const ALLOWED: [&str; 18] = [
        "super::",
        "std::",
        "base64::",
        "base32::",
        "crc32fast::",
        "hmac::",
        "percent_encoding::",
        "qrcode::",
        "rand::",
        "regex_lite::",
        "sha2::",
        "strum::",
        "subtle::",
        "ulid::",
        "unicode_properties::",
        "zeroize::",
        "totp_rs::",
        "jiff::",
    ];
    const FORBIDDEN: [&str; 5] = ["std::net", "std::fs", "std::env", "std::io", "std::thread"];
    for (path, text) in sources("shared/src/domain") {
        if path.ends_with("tests.rs") {
            continue;
        }
        for import in imports(&text) {
            let allowed = ALLOWED.iter().any(|start| import.starts_with(start))
                && !FORBIDDEN.iter().any(|start| import.starts_with(start));
            assert!(allowed, "{} uses {import}", path.display());
        }
        assert!(!text.contains("async fn"), "{} waits", path.display());
    }
}

/// The modules of `shared`, and of `cli`, in the order of docs/ARCHITECTURE.md. Each may use those before it, so there is no
/// circle. What operators do comes after the handlers, so no handler can use it.
const LAYERS: [(&str, &[&str]); 2] = [
    (
        "shared",
        &[
            "domain", "ports", "logs", "aws", "sms", "store", "vault", "config", "core", "http", "lambda",
            "operate",
        ],
    ),
    (
        "cli",
        &[
            "serve",
            "error",
            "console",
            "deployment",
            "audit",
            "keyring",
            "env",
            "keys",
            "factors",
            "recovery",
            "portable",
            "export",
            "import",
            "init",
            "doctor",
            "foreground",
            "command",
        ],
    ),
];

#[test]
fn a_module_uses_only_those_before_it() {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for (name, layers) in LAYERS {
        assert!(page.contains(&layers.join(" · ")), "docs/ARCHITECTURE.md has another order of {name}");
        let src = root().join(name).join("src");
        let modules = fs::read_to_string(src.join("lib.rs")).unwrap();
        let declared =
            modules.lines().filter(|line| line.starts_with("mod ") || line.starts_with("pub mod "));
        assert_eq!(declared.count(), layers.len(), "{name} has another module");
        for (path, text) in sources(&format!("{name}/src")) {
            let own = path.strip_prefix(&src).unwrap().components().next().unwrap();
            let own = own.as_os_str().to_str().unwrap().trim_end_matches(".rs");
            let Some(layer) = layers.iter().position(|module| *module == own) else { continue };
            for used in text.split("crate::").skip(1).flat_map(first_segments) {
                let below = layers[..=layer].contains(&used);
                assert!(below || !layers.contains(&used), "{} uses {used}", path.display());
            }
        }
    }
}

/// The first names of the paths after `crate::`: one, or several in braces.
fn first_segments(after: &str) -> Vec<&str> {
    let name = |path: &'_ str| path.len() - path.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
    match after.strip_prefix('{') {
        Some(list) => {
            let list = list.split('}').next().unwrap();
            list.split(',').map(str::trim).map(|path| &path[..name(path)]).collect()
        }
        None => vec![&after[..name(after)]],
    }
}

/// A file of the product that is longer is two things.
#[test]
fn no_product_file_has_more_than_250_lines() {
    for dir in ["shared/src", "cli/src", "functions"] {
        for (path, text) in sources(dir) {
            assert!(path.ends_with("tests.rs") || text.lines().count() <= 250, "{}", path.display());
        }
    }
}

#[test]
fn net_12_no_function_can_have_a_dev_route() {
    for (path, text) in sources("shared/src").into_iter().chain(sources("functions")) {
        assert!(!text.contains("_dev"), "{}", path.display());
    }
    for function in ["enroll", "challenge", "verify", "factors"] {
        let manifest = fs::read_to_string(root().join(format!("functions/{function}/Cargo.toml"))).unwrap();
        assert!(!manifest.contains("cli"), "{function} depends on the local server");
    }
    let shared = fs::read_to_string(root().join("shared/Cargo.toml")).unwrap();
    assert!(!shared.contains("cli.workspace") && !shared.contains("dynoxide"));
}

#[test]
fn every_variable_is_documented() {
    let page = fs::read_to_string(root().join("docs/CONFIGURATION.md")).unwrap();
    for variable in shared::config::VARIABLES {
        assert!(page.contains(&format!("| `{variable}` |")), "{variable}");
    }
}

/// Every text file of the repository, with its text.
pub(crate) fn files() -> Vec<(PathBuf, String)> {
    const SKIPPED: [&str; 7] = [".git", "target", "node_modules", ".next", ".venv", ".latchkey", ".aws-sam"];
    let (mut found, mut folders) = (Vec::new(), vec![root().to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !SKIPPED.contains(&&*path.file_name().unwrap().to_string_lossy()) {
                    folders.push(path);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((path, text));
            }
        }
    }
    found
}

#[test]
fn key_13_no_key_in_the_repository_works_or_could() {
    use shared::domain::api_key::ApiKey;
    for (path, text) in files() {
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c))) {
            assert!(ApiKey::parse(word).is_err(), "a key with a right checksum is in {}", path.display());
        }
    }
}

/// SEC-10: what looks like a credential of any common kind, in any file of the repository.
#[test]
fn sec_10_no_credential_is_in_the_repository() {
    for (path, text) in files() {
        for line in text.lines() {
            let begins_a_key =
                line.contains(concat!("-----", "BEGIN")) && line.contains(concat!("PRIVATE KEY", "-----"));
            let access_key = line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
                word.len() == 20
                    && (word.starts_with("AKIA") || word.starts_with("ASIA"))
                    && word != "AKIAIOSFODNN7EXAMPLE"
            });
            let token = ["ghp_", "github_pat_", "xoxb-"].iter().any(|start| {
                line.split(start)
                    .skip(1)
                    .any(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).count() >= 20)
            });
            assert!(!(begins_a_key || access_key || token), "{}", path.display());
        }
    }
}

/// SEC-12: the inventory names every label keys are derived under.
#[test]
fn sec_12_every_key_in_the_code_is_in_the_inventory() {
    let inventory = fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let mut labels = 0;
    for (path, text) in sources("shared/src").into_iter().chain(sources("cli/src")) {
        for rest in text.split("latchkey/1/").skip(1) {
            let label: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            assert!(inventory.contains(&format!("`latchkey/1/{label}`")), "{label} of {}", path.display());
            labels += 1;
        }
    }
    assert!(labels >= 5);
}
