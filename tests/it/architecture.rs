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
    const ALLOWED: [&str; 14] = [
        "super::",
        "std::",
        "base64::",
        "percent_encoding::",
        "phonenumber::",
        "qrcode::",
        "rand::",
        "sha2::",
        "subtle::",
        "ulid::",
        "zeroize::",
        "totp_rs::",
        "jiff::",
        "png::",
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
fn every_variable_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for variable in shared::config::VARIABLES {
        assert!(readme.contains(&format!("| `{variable}` |")), "{variable}");
    }
}

#[test]
fn key_13_no_key_in_the_repository_works_or_could() {
    use shared::domain::api_key::ApiKey;
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if ![".git", "target", "node_modules", ".venv", ".latchkey", ".aws-sam"]
                    .contains(&name.as_str())
                {
                    folders.push(path);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c))) {
                    assert!(
                        ApiKey::parse(word).is_err(),
                        "a key with a right checksum is in {}",
                        path.display()
                    );
                }
            }
        }
    }
}
