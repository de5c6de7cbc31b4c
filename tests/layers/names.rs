//! One name stands for one type.

use std::collections::BTreeMap;

use crate::sources::{SourceFile, leading_identifier, read_sources};

/// AWS names its records by its own words, service by service: there a name is read with its service.
const NAMED_BY_AWS: &str = "src/sandbox/control_plane/";
const TYPE_KEYWORDS: [&str; 5] = ["struct ", "enum ", "union ", "trait ", "type "];

/// The types that a file defines at the top of a module, with their lines.
fn defined_types(file: &SourceFile) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (number, line) in file.code_without_tests().lines().enumerate() {
        let (visibility, item) = match line.split_once(' ') {
            Some((first, rest)) if first.starts_with("pub") => (first, rest),
            _ => ("", line),
        };
        // What is indented belongs to a trait, an impl or a function, unless it is seen from outside.
        if line.starts_with(' ') && visibility.is_empty() {
            continue;
        }
        if let Some(rest) = TYPE_KEYWORDS.iter().find_map(|keyword| item.strip_prefix(keyword)) {
            found.push((leading_identifier(rest).to_owned(), number + 1));
        }
    }
    found
}

#[test]
fn a_type_shares_its_name_with_no_other() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in
        read_sources("src").iter().filter(|file| !file.is_test() && !file.path.starts_with(NAMED_BY_AWS))
    {
        for (name, line) in defined_types(file) {
            places.entry(name).or_default().push(format!("{}:{line}", file.path));
        }
    }
    assert!(places.len() > 100, "only {} types were found", places.len());
    let shared: Vec<_> = places.iter().filter(|(_, places)| places.len() > 1).collect();
    assert!(shared.is_empty(), "types that share their name: {shared:#?}");
}
