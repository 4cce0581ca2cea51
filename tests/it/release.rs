//! What a release is made by: the workflow, its permissions, and the image. The packaged template: `template/packaged.rs`.

use crate::supply::{actions, read};
use serde_yaml_ng::Value;

fn workflow() -> Value {
    serde_yaml_ng::from_str(&read(".github/workflows/release.yml")).unwrap()
}

/// The commands of a job, one per line.
fn commands(job: &Value) -> String {
    let steps = job["steps"].as_sequence().unwrap().iter();
    steps.filter_map(|step| step["run"].as_str()).collect::<Vec<_>>().join("\n")
}

/// The values of a key in a job's matrix.
fn matrix<'a>(job: &'a Value, key: &str) -> Vec<&'a str> {
    let rows = job["strategy"]["matrix"]["include"].as_sequence().unwrap().iter();
    rows.map(|row| row[key].as_str().unwrap()).collect()
}

#[test]
fn a_tag_builds_the_functions_and_the_command_for_every_system() {
    let workflow = workflow();
    assert_eq!(workflow["on"]["push"]["tags"], Value::from(vec!["v*"]));
    let jobs = &workflow["jobs"];
    assert_eq!(matrix(&jobs["functions"], "architecture"), ["arm64", "x86_64"]);
    assert_eq!(matrix(&jobs["functions"], "option"), ["--arm64", ""]);
    for step in [".ci/tools\n", ".ci/release ${{ matrix.option }}\n", ".ci/package functions ${{"] {
        assert!(commands(&jobs["functions"]).contains(step), "{step}");
    }
    let script = read(".ci/package");
    let targets = matrix(&jobs["command"], "target");
    assert_eq!(script.matches(") system=").count(), targets.len());
    for target in targets {
        assert!(script.contains(&format!("      {target}) system=")), "{target}");
    }
    for step in [
        ".ci/tools ${{ matrix.tools }}\n",
        ".ci/release-command ${{ matrix.target }}\n",
        ".ci/package command ${{",
    ] {
        assert!(commands(&jobs["command"]).contains(step), "{step}");
    }
}

/// The job with the permissions to sign and to upload must not run what a dependency could have changed.
#[test]
fn sup_06_the_job_that_publishes_runs_no_code_of_the_repository_or_its_dependencies() {
    let workflow = workflow();
    let publish = &workflow["jobs"]["publish"];
    let needed: Value =
        serde_yaml_ng::from_str("{ contents: write, id-token: write, attestations: write }").unwrap();
    assert_eq!(publish["permissions"], needed);
    let before: Value = serde_yaml_ng::from_str("[check, functions, command, container]").unwrap();
    assert_eq!(publish["needs"], before);
    let mut used = Vec::new();
    actions(publish, &mut used);
    for action in &used {
        let allowed = ["actions/download-artifact@", "actions/attest-build-provenance@"];
        assert!(allowed.iter().any(|name| action.starts_with(name)), "{action}");
    }
    assert!(used.iter().any(|action| action.contains("attest-build-provenance")));
    let commands = commands(publish);
    for line in commands.lines().map(str::trim_start) {
        let allowed = ["cd packages && sha256sum ", "gh release create ", "--title "];
        assert!(allowed.iter().any(|start| line.starts_with(start)), "{line}");
    }
    assert!(commands.contains("--verify-tag --draft"));
}

/// A tag, a title and a branch can contain shell commands, so no step has an expression of the event in its text.
#[test]
fn no_command_of_the_workflow_contains_what_someone_else_wrote() {
    for job in workflow()["jobs"].as_mapping().unwrap().values() {
        for expression in commands(job).split("${{ ").skip(1) {
            assert!(expression.starts_with("matrix."), "{expression}");
        }
    }
}

#[test]
fn sup_06_the_image_is_built_by_the_pinned_rust_from_pinned_images_and_is_not_root() {
    let (image, toolchain) = (read("Dockerfile"), read("rust-toolchain.toml"));
    let version = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(image.contains(&format!("FROM rust:{version}-bookworm@")));
    assert!(image.contains(&format!("ENV RUSTUP_TOOLCHAIN={version}\n")));
    let bases: Vec<&str> = image.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert_eq!(bases.len(), 2);
    for base in bases {
        let digest = base.split("@sha256:").nth(1).unwrap_or_else(|| panic!("{base}"));
        let digest = digest.split(' ').next().unwrap();
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{base}");
    }
    let last = image.rsplit("FROM ").next().unwrap();
    for line in ["USER 65532:65532\n", "VOLUME /data\n", "EXPOSE 8787\n", "\"--addr\", \"0.0.0.0\""] {
        assert!(last.contains(line), "{line}");
    }
    assert!(!image.contains("--expose-dev"));
}
