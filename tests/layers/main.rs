//! Holds the house: which layer may use which (the map is in `src/lib.rs`), and what every file keeps to.
//!
//! Nothing here runs the program: the sources are read as text.

mod circles;
mod citations;
mod lints;
mod lists;
mod names;
mod pages;
mod paths;
mod printing;
mod proposals;
mod purity;
mod sources;

use paths::used_layers;
use sources::read_sources;

/// A layer, and those that it may use besides itself.
const LAYER_DEPENDENCIES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("aws", &["model"]),
    ("host", &["model"]),
    ("edge", &["model"]),
    ("engine", &["model", "aws", "host", "edge"]),
    ("wizard", &["model"]),
    ("tui", &["model", "wizard", "engine"]),
    ("plain", &["model", "wizard", "tui", "cli"]),
    ("cli", &["model", "engine", "args"]),
    ("sandbox", &["model", "edge"]),
    ("app", &["model", "aws", "host", "engine", "wizard", "tui", "plain", "cli", "sandbox", "args"]),
];

#[test]
fn no_layer_uses_one_that_it_may_not() {
    for (layer, may) in LAYER_DEPENDENCIES {
        for file in
            read_sources("src").iter().filter(|file| file.module.first().is_some_and(|name| name == layer))
        {
            for name in used_layers(&file.code) {
                assert!(
                    name == *layer || may.contains(&name.as_str()),
                    "{} uses crate::{name}, and {layer} may use only {may:?}",
                    file.path
                );
            }
        }
    }
}

#[test]
fn no_module_reaches_over_its_parent() {
    for file in read_sources("src") {
        assert!(!file.code.contains("super::super"), "{} says super::super: say crate::…", file.path);
    }
}

#[test]
fn only_the_aws_layer_names_the_sdk() {
    for file in read_sources("src") {
        // The sandbox stands behind the SDK's connector, and its tests drive it with the real SDK.
        if file.path.starts_with("src/aws/") || file.path.starts_with("src/sandbox/") {
            continue;
        }
        assert!(!file.text.contains("aws_sdk_"), "{} names an SDK crate: that is for src/aws", file.path);
        let code = if file.is_test() { String::new() } else { file.code_without_tests() };
        for sdk in ["aws_config", "aws_credential_types", "aws_sigv4", "aws_smithy_"] {
            assert!(
                !code.contains(sdk),
                "{} names a type of the SDK, by {sdk}: that is for src/aws",
                file.path
            );
        }
    }
}

#[test]
fn every_file_says_its_purpose_first() {
    for file in read_sources("src").iter().chain(&read_sources("tests")) {
        assert!(file.text.starts_with("//!"), "{} doesn't begin with //!", file.path);
    }
}

#[test]
fn the_process_ends_in_one_place() {
    for file in read_sources("src").iter().filter(|file| file.path != "src/main.rs") {
        assert!(!file.text.contains("process::exit("), "{} ends the process", file.path);
    }
}
