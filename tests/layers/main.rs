//! Holds the layers apart: which folder of `src` may use which (the map is in `src/lib.rs`).

use std::{fs, path::Path};

/// A layer, and those that it may use besides itself.
const LAYER_DEPENDENCIES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("aws", &["model"]),
    ("host", &["model"]),
    ("edge", &["model"]),
    ("engine", &["model", "aws", "host", "edge"]),
    ("wizard", &["model"]),
    ("tui", &["model", "wizard", "engine"]),
    ("cli", &["model", "engine", "args"]),
    ("sandbox", &["model", "edge"]),
    ("app", &["model", "aws", "host", "engine", "wizard", "tui", "cli", "sandbox", "args"]),
];

fn collect_sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn source_files(folder: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    collect_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} holds no sources");
    found
}

/// The layers that a source names after `crate::`, those inside `crate::{…}` too.
fn used_layers(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in text.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            names.push(leading_identifier(rest));
            continue;
        };
        let (mut depth, mut fresh) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                c if fresh && c.is_alphabetic() => {
                    names.push(leading_identifier(&group[at..]));
                    fresh = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn leading_identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn groups_are_read_too() {
    assert_eq!(used_layers("use crate::{a::{b, c}, d}; crate::e::f"), ["a", "d", "e"]);
}

#[test]
fn no_layer_uses_one_that_it_may_not() {
    for (layer, may) in LAYER_DEPENDENCIES {
        for path in source_files(&format!("src/{layer}")) {
            for name in used_layers(&fs::read_to_string(&path).unwrap()) {
                assert!(
                    name == *layer || may.contains(&name.as_str()),
                    "{} uses crate::{name}, and {layer} may use only {may:?}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn only_the_aws_layer_names_the_sdk() {
    for path in source_files("src") {
        let inside = path.to_string_lossy().into_owned();
        let tested = inside.contains("/sandbox/"); // its tests drive it with the real SDK
        if !inside.contains("/aws/") && !tested {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("aws_sdk_"), "{inside} names an SDK crate: that is for src/aws");
        }
    }
}

#[test]
fn every_file_says_its_purpose_first() {
    for path in source_files("src").into_iter().chain(source_files("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} doesn't begin with //!", path.display());
    }
}

#[test]
fn the_process_ends_in_one_place() {
    for path in source_files("src") {
        if !path.ends_with("main.rs") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("process::exit("), "{} ends the process", path.display());
        }
    }
}
