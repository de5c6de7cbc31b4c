//! Every exception from a lint says why; no file names another by its path.

use std::fs;

use crate::sources::{SourceFile, read_sources, repository_root};

/// It builds the model alone, without AWS's SDK, under a sanitizer: a fuzzer of the whole crate would take minutes to build.
const TAKES_SOURCE_BY_PATH: &str = "tests/fuzz/fuzz_targets/check.rs";

fn all_sources() -> impl Iterator<Item = SourceFile> {
    read_sources("src").into_iter().chain(read_sources("tests"))
}

/// The attributes that begin with one of `openings`, with their line.
fn attributes<'f>(file: &'f SourceFile, openings: &[&str]) -> Vec<(usize, &'f str)> {
    let mut found = Vec::new();
    for opening in openings {
        for (at, _) in file.code.match_indices(opening) {
            let end = file.code[at..].find(")]").map_or(file.code.len(), |length| at + length);
            found.push((file.line_number(at), &file.code[at..end]));
        }
    }
    found
}

#[test]
fn an_exception_from_a_lint_in_a_source_has_a_reason() {
    for file in all_sources() {
        for (line, attribute) in attributes(&file, &["#[allow(", "#![allow(", "#[expect(", "#![expect("]) {
            assert!(attribute.contains("reason ="), "{}:{line} gives no reason: {attribute}", file.path);
        }
    }
}

#[test]
fn an_exception_from_a_lint_for_the_whole_crate_has_a_reason() {
    let manifest = fs::read_to_string(repository_root().join("Cargo.toml")).unwrap();
    let (_, lints) = manifest.split_once("[lints.").unwrap();
    for line in lints.lines().filter(|line| line.contains("= \"allow\"")) {
        assert!(line.contains("\" # "), "Cargo.toml gives no reason: {line}");
    }
}

#[test]
fn no_file_takes_another_in_by_its_path() {
    for file in all_sources().filter(|file| file.path != TAKES_SOURCE_BY_PATH) {
        let found = attributes(&file, &["#[path", "#![path"]);
        assert!(found.is_empty(), "{} names a file by its path: {found:?}", file.path);
    }
}
