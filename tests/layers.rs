//! Holds the layers apart: which folder of `src` may use which (the map is in `src/lib.rs`).

use std::{fs, path::Path};

/// A layer, and those that it may use besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("cloud", &["model"]),
    ("host", &["model"]),
    ("edge", &["model"]),
    ("engine", &["model", "cloud", "host", "edge"]),
    ("wizard", &["model"]),
    ("tui", &["model", "wizard", "engine"]),
    ("cli", &["model", "engine", "args"]),
    ("sandbox", &["model", "edge"]),
];

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all(folder: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} holds no sources");
    found
}

#[test]
fn no_layer_uses_one_that_it_may_not() {
    for (layer, may) in LAYERS {
        for path in all(&format!("src/{layer}")) {
            let text = fs::read_to_string(&path).unwrap();
            for used in text.split("crate::").skip(1) {
                // `use crate::{a, b}` would hide what it uses from this test.
                let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                assert!(
                    !name.is_empty(),
                    "{}: name the layer after crate::, one `use` for each",
                    path.display()
                );
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
fn only_the_cloud_names_the_sdk() {
    for path in all("src") {
        let inside = path.to_string_lossy().into_owned();
        let tested = inside.contains("/sandbox/"); // its tests drive it with the real SDK
        if !inside.contains("/cloud/") && !tested {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("aws_sdk_"), "{inside} names an SDK crate: that is for src/cloud");
        }
    }
}

#[test]
fn every_file_says_its_purpose_first() {
    for path in all("src").into_iter().chain(all("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} doesn't begin with //!", path.display());
    }
}

#[test]
fn the_process_ends_in_one_place() {
    for path in all("src") {
        if !path.ends_with("main.rs") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("process::exit("), "{} ends the process", path.display());
        }
    }
}
