//! What a release deploys is `template.yaml` for one architecture, with zips in place of sources (`.ci/package`).

use super::{FUNCTIONS, template};
use crate::architecture::root;
use serde_yaml_ng::Value;
use std::process::Command;

fn packaged(architecture: &str) -> String {
    let mut script = Command::new(root().join(".ci/package"));
    let output = script.args(["template", architecture]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_packaged_template_differs_in_the_code_and_in_the_architecture_only() {
    for architecture in ["arm64", "x86_64"] {
        let mut expected = template();
        for name in FUNCTIONS {
            let metadata: Value = serde_yaml_ng::from_str(&format!(
                "{{ BuildMethod: rust-cargolambda, BuildProperties: {{ Binary: {name} }} }}"
            ))
            .unwrap();
            let resources = expected["Resources"].as_mapping_mut().unwrap();
            let function = resources.values_mut().find(|function| function["Metadata"] == metadata).unwrap();
            assert_eq!(function["Properties"]["CodeUri"], format!("functions/{name}"));
            function["Properties"]["CodeUri"] = format!("functions/{name}.zip").into();
            function.as_mapping_mut().unwrap().remove("Metadata");
        }
        let parameter = &mut expected["Parameters"]["Architecture"];
        assert_eq!(parameter["AllowedValues"], Value::from(vec!["arm64", "x86_64"]));
        parameter["AllowedValues"] = vec![architecture].into();
        parameter["Default"] = architecture.into();
        let packaged: Value = serde_yaml_ng::from_str(&packaged(architecture)).unwrap();
        assert_eq!(packaged, expected);
    }
}

/// Those who deploy it have neither the sources nor Rust.
#[test]
fn the_packaged_template_speaks_of_no_build() {
    let text = packaged("arm64");
    let (first, others) = text.split_once('\n').unwrap();
    assert!(first.ends_with("the functions are the zips in functions/."), "{first}");
    for word in ["sam build", "cargo", "BuildMethod"] {
        assert!(!others.contains(word), "{word}");
    }
}
