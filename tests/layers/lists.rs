//! A list `ALL` of an enum holds each of its variants: the compiler asks for no such line when a variant is added.

use std::collections::BTreeSet;

use crate::sources::{closing_brace, defined_enums, leading_identifier, read_sources};

/// The lists `ALL` in the code of a file: the type that each is of, and the variants that it names.
fn lists_of_all(code: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("\nimpl ") {
        let block = &code[start..closing_brace(code, start)];
        let name = block["\nimpl ".len()..].split_whitespace().next().unwrap_or_default().to_owned();
        let Some((_, list)) = block.split_once("const ALL: [Self;") else { continue };
        let list = list.split(';').next().unwrap_or_default();
        let named = list.split("Self::").skip(1).map(|rest| leading_identifier(rest).to_owned());
        found.push((name, named.collect()));
    }
    found
}

#[test]
fn every_list_of_all_holds_each_variant() {
    let mut lists = 0;
    for file in read_sources("src") {
        let enums = defined_enums(&file.code);
        for (name, listed) in lists_of_all(&file.code) {
            let (_, variants) =
                enums.iter().find(|(of, _)| *of == name).expect("the enum stands beside its list");
            let missing: Vec<_> = variants.iter().filter(|variant| !listed.contains(*variant)).collect();
            assert!(missing.is_empty(), "{}: {name}::ALL lacks {missing:?}", file.path);
            lists += 1;
        }
    }
    assert!(lists > 1, "only {lists} lists were found");
}

/// The constants `ALL_…` of a test file: the type that each is of, and the variants that it names.
fn constants_of_all(code: &str) -> Vec<(String, BTreeSet<String>)> {
    let constants = code.match_indices("const ALL_").filter_map(|(start, _)| {
        let (head, list) = code[start..].split_once(';')?;
        let name = head.split_once(": [")?.1.to_owned();
        let list = list.split("];").next().unwrap_or_default();
        let prefix = format!("{name}::");
        let named = list.split(prefix.as_str()).skip(1).map(|rest| leading_identifier(rest).to_owned());
        let named = named.collect();
        Some((name, named))
    });
    constants.collect()
}

#[test]
fn every_constant_of_all_in_the_tests_holds_each_variant() {
    let sources = read_sources("src");
    let mut lists = 0;
    for file in read_sources("tests") {
        for (name, listed) in constants_of_all(&file.code) {
            let enums = sources.iter().flat_map(|source| defined_enums(&source.code));
            let Some((_, variants)) = enums.into_iter().find(|(of, _)| *of == name) else { continue };
            let missing: Vec<_> = variants.iter().filter(|variant| !listed.contains(*variant)).collect();
            assert!(missing.is_empty(), "{}: the list of all {name} lacks {missing:?}", file.path);
            lists += 1;
        }
    }
    assert!(lists > 1, "only {lists} lists were found");
}
