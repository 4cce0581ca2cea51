//! docs/COMPATIBILITY.md: its counts, and that it and `tests/sdk` name the same faults of SDKs.

use crate::architecture::root;
use std::fs;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The cells of the matrix in docs/COMPATIBILITY.md, by version, and which versions run in `tests/sdk/run`.
fn compatibility_rows(page: &str) -> Vec<(&str, Vec<&str>, bool)> {
    let matrix = page.split("\n```text\n").nth(1).unwrap().split("\n```").next().unwrap();
    let rows = matrix.lines().skip(1).map(|line| {
        let mut cells = line.split_whitespace();
        let version = cells.next().unwrap();
        let (here, cells): (Vec<&str>, Vec<&str>) = cells.partition(|cell| *cell == "here");
        assert_eq!(cells.len(), 20, "{version}");
        (version, cells, !here.is_empty())
    });
    rows.collect()
}

#[test]
fn the_counts_of_sdk_versions_are_those_of_the_matrix() {
    let page = read("docs/COMPATIBILITY.md");
    let rows = compatibility_rows(&page);
    let passed = rows.iter().flat_map(|(_, cells, _)| cells).filter(|cell| **cell == ".").count();
    let passed = format!("{},{:03}", passed / 1_000, passed % 1_000);
    let here = rows.iter().filter(|(_, _, here)| *here).count();
    assert!(page.contains(&format!("{} versions of ten official SDK families", rows.len())));
    assert!(page.contains(&format!("**{passed} operations\npassed")));
    let readme = read("README.md");
    assert!(readme.contains(&format!("**{} SDK versions, ten languages, unmodified**", rows.len())));
    assert!(readme.contains(&format!("{passed} operations passed")));
    assert!(read("CONTRIBUTING.md").contains(&format!("{here} versions of the official SDKs")));
    assert!(
        read("CHANGELOG.md")
            .contains(&format!("the {} SDK versions that were tested. {here} of them", rows.len()))
    );
}

/// A fault is the SDK's own only where the matrix says so.
#[test]
fn every_own_fault_of_an_sdk_that_runs_is_in_the_matrix() {
    let page = read("docs/COMPATIBILITY.md");
    let mut marked: Vec<(String, usize)> = Vec::new();
    for (version, cells, _) in compatibility_rows(&page).into_iter().filter(|(_, _, here)| *here) {
        let columns = (1..).zip(cells).filter(|(_, cell)| *cell == "s");
        marked.extend(columns.map(|(column, _)| (version.to_owned(), column)));
    }
    let mut listed: Vec<(String, usize)> = Vec::new();
    for line in read("tests/sdk/own_faults.tsv").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        for version in fields[0].split(' ') {
            let columns = fields[1].split(' ').map(|column| column.parse().unwrap());
            listed.extend(columns.map(|column| (version.to_owned(), column)));
        }
    }
    marked.sort();
    listed.sort();
    assert_eq!(marked, listed);
}
