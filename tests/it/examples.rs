//! The applications in `examples/`. That they work is tested by `tests/browser/examples`.

use std::path::PathBuf;

use serde_yaml_ng::Value;

use crate::architecture::{files, root};
use crate::supply::read;

const EXAMPLES: [&str; 5] = ["django", "express", "fastapi", "go", "nextjs"];

/// What a reader of an example reads: not the lists of its packages, nor the files that every project of Django begins with.
fn code(example: &str) -> Vec<(PathBuf, String)> {
    const OTHERS: [&str; 12] = [
        ".gitignore",
        "README.md",
        "django/app.py",
        "django/login/models.py",
        "django/login/urls.py",
        "django/settings.py",
        "go.mod",
        "go.sum",
        "package-lock.json",
        "package.json",
        "requirements.in",
        "requirements.txt",
    ];
    let folder = root().join("examples").join(example);
    let mut code = files();
    code.retain(|(path, _)| path.starts_with(&folder) && !OTHERS.iter().any(|other| path.ends_with(other)));
    code
}

#[test]
fn each_example_can_be_read_in_a_sitting() {
    for example in EXAMPLES {
        let lines: usize = code(example).iter().map(|(_, text)| text.lines().count()).sum();
        assert!((100..300).contains(&lines), "{example} has {lines} lines");
        for (path, text) in code(example) {
            for line in text.lines() {
                assert!(line.chars().count() <= 120, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn examples_name_exact_versions_of_their_packages() {
    for example in ["express", "nextjs"] {
        let list: Value =
            serde_yaml_ng::from_str(&read(&format!("examples/{example}/package.json"))).unwrap();
        for group in ["dependencies", "devDependencies"] {
            for (name, version) in list[group].as_mapping().into_iter().flatten() {
                assert!(
                    version.as_str().unwrap().starts_with(|c: char| c.is_ascii_digit()),
                    "{example}: {name:?}"
                );
            }
        }
        let lock: Value =
            serde_yaml_ng::from_str(&read(&format!("examples/{example}/package-lock.json"))).unwrap();
        for (path, package) in lock["packages"].as_mapping().unwrap() {
            let hash = package["integrity"].as_str();
            let bundled = package["inBundle"].as_bool() == Some(true);
            assert!(path.as_str() == Some("") || bundled || hash.is_some(), "{example}: {path:?}");
        }
    }
}

/// The walk shows the code of the example that it walks through.
#[test]
fn the_code_of_the_tutorial_is_that_of_its_example() {
    let page = read("docs/TUTORIAL.md");
    let example = code("express");
    let blocks: Vec<&str> =
        page.split("\n```js\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert!(blocks.len() >= 8, "{} blocks", blocks.len());
    for block in blocks {
        assert!(example.iter().any(|(_, text)| text.contains(block)), "{block}");
    }
}
