//! What a page names stands in the repository: paths, the tests that hold invariants, functions and types.

use std::{collections::BTreeSet, fs};

use crate::sources::{defined_enums, is_identifier_char, list_files, read_sources, repository_root};

/// The pages that name files, from the top or from their own folder on.
const PAGES: [&str; 9] = [
    "README.md",
    "src/README.md",
    "tests/README.md",
    "tests/bench/README.md",
    "assets/contract.md",
    "assets/reference.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    ".github/CHANGELOG.md",
];
/// The page whose functions and types are looked up.
const MAP: &str = "src/README.md";
/// Traits on the map that the language and its crates define.
const FOREIGN_TRAITS: [&str; 2] = ["Debug", "Serialize"];
/// What a path of this repository begins with; others on the pages are of hosts and buckets.
const TOP_FOLDERS: [&str; 6] = ["src", "tests", "assets", "edge", ".github", ".ci"];

fn read_page(path: &str) -> String {
    fs::read_to_string(repository_root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns what a page has between backticks, outside of its fenced blocks.
fn quoted_texts(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

fn is_path(text: &str) -> bool {
    text.contains('/')
        && !text.starts_with('/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
}

fn is_item_name(text: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.chars().all(is_identifier_char)
    };
    text.split("::").all(is_identifier)
}

fn split_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_identifier_char(c)).filter(|word| !word.is_empty())
}

fn source_words() -> BTreeSet<String> {
    let files = ["src", "tests", "edge"].iter().flat_map(|folder| list_files(folder, &["rs", "mjs"]));
    let texts = files.map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| split_words(&text).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// What `src` defines, by name.
struct DefinedNames {
    types: BTreeSet<String>,
    /// As `Type::Variant`.
    variants: BTreeSet<String>,
    functions: BTreeSet<String>,
}

/// The names that stand behind one of `keywords` in the code.
fn names_behind(code: &str, keywords: &[&str]) -> Vec<String> {
    let words: Vec<&str> = split_words(code).collect();
    let pairs = words.windows(2).filter(|pair| keywords.contains(&pair[0]));
    pairs.map(|pair| pair[1].to_owned()).collect()
}

fn read_defined_names() -> DefinedNames {
    let (mut types, mut variants, mut functions) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for file in read_sources("src") {
        types.extend(names_behind(&file.code, &["struct", "enum", "trait", "type"]));
        functions.extend(names_behind(&file.code, &["fn", "const"]));
        for (name, of) in defined_enums(&file.code) {
            variants.extend(of.iter().map(|variant| format!("{name}::{variant}")));
        }
    }
    DefinedNames { types, variants, functions }
}

/// Returns the names of types on a page, and the paths such as `Type::function`: between backticks and in fenced blocks.
fn type_names_and_paths(page: &str) -> BTreeSet<&str> {
    let fenced = page.split("```").skip(1).step_by(2);
    let texts = quoted_texts(page).into_iter().chain(fenced);
    let words = texts.flat_map(|text| text.split(|c: char| !is_identifier_char(c) && c != ':'));
    let words = words.map(|word| word.trim_matches(':'));
    words.filter(|word| is_camel_case(word) || word.contains("::")).collect()
}

/// Tells a type's name of two words or more: `StageStep`, not `Enter` or `AWS`.
fn is_camel_case(word: &str) -> bool {
    let humps = word.char_indices().filter(|(at, c)| {
        c.is_ascii_uppercase() && word[at + 1..].starts_with(|next: char| next.is_ascii_lowercase())
    });
    word.starts_with(|c: char| c.is_ascii_uppercase()) && humps.count() > 1
}

#[test]
fn every_path_on_a_page_exists() {
    let root = repository_root();
    for page in PAGES {
        let text = read_page(page);
        let folder = root.join(page).parent().unwrap().to_owned();
        for path in quoted_texts(&text).into_iter().filter(|text| is_path(text)) {
            let first = path.split('/').next().unwrap_or_default();
            // What a build makes is nobody's page to hold.
            if first != "target" && (TOP_FOLDERS.contains(&first) || folder.join(first).exists()) {
                let exists = root.join(path).exists() || folder.join(path).exists();
                assert!(exists, "{page} names {path}, which isn't there");
            }
        }
    }
}

#[test]
fn every_path_in_a_comment_of_the_edge_exists() {
    let mut paths = 0;
    for file in list_files("edge", &["mjs"]) {
        let text = fs::read_to_string(&file).unwrap();
        let comments = text.lines().filter(|line| line.trim_start().starts_with(['/', '*']));
        let words = comments.flat_map(|line| line.split(|c: char| c.is_whitespace() || "`,;:()".contains(c)));
        for path in words.map(|word| word.trim_end_matches('.')).filter(|word| is_path(word)) {
            if TOP_FOLDERS.contains(&path.split('/').next().unwrap_or_default()) {
                let exists = repository_root().join(path).exists();
                assert!(exists, "{} names {path}, which isn't there", file.display());
                paths += 1;
            }
        }
    }
    assert!(paths > 1, "only {paths} paths were found");
}

#[test]
fn every_name_on_the_map_is_in_the_sources() {
    let (map, words) = (read_page(MAP), source_words());
    // `ensure_*` is a family of names.
    let with_underscore = split_words(&map).filter(|word| word.contains('_') && !word.ends_with('_'));
    let items = quoted_texts(&map).into_iter().filter(|text| is_item_name(text));
    let last_parts = items.map(|text| text.rsplit("::").next().unwrap_or(text));
    for name in with_underscore.chain(last_parts) {
        assert!(words.contains(name), "{MAP} names {name}, which is in no source");
    }
}

#[test]
fn every_invariant_on_the_map_names_a_test() {
    let map = read_page(MAP);
    let rows: Vec<&str> = map.lines().filter(|line| line.contains("| Invariant: ")).collect();
    assert!(rows.len() > 10, "only {} invariants were found", rows.len());
    for row in rows {
        let held_by = row.rsplit_once(" | ").map_or(row, |(_, last)| last);
        let names = quoted_texts(held_by);
        let [test, file] = names.as_slice() else { panic!("no test and file in: {row}") };
        assert!(read_page(file).contains(&format!("fn {test}(")), "{file} has no test {test}");
    }
}

#[test]
fn every_type_on_the_map_is_defined() {
    let (map, defined) = (read_page(MAP), read_defined_names());
    let bare = quoted_texts(&map).into_iter().filter(|text| {
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.contains(|c: char| c.is_ascii_lowercase())
            && text.chars().all(is_identifier_char)
    });
    for name in type_names_and_paths(&map).into_iter().chain(bare) {
        let is_defined = match name.rsplit_once("::") {
            None => defined.types.contains(name) || FOREIGN_TRAITS.contains(&name),
            Some((of, member)) if of.starts_with(|c: char| c.is_ascii_uppercase()) => {
                defined.variants.contains(name)
                    || defined.types.contains(of) && defined.functions.contains(member)
            }
            // A module's: `engine::apply`.
            Some((_, member)) => defined.functions.contains(member) || defined.types.contains(member),
        };
        assert!(is_defined, "{MAP} names {name}, which no type, variant or function of src is called");
    }
}
