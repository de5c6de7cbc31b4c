//! Which module names which: every path of a file, those in `use crate::{…}` too, followed through what modules export again.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{SourceFile, is_identifier_char, leading_identifier};

type ModulePath = Vec<String>;

/// For each module that isn't a test's, the modules that it names.
pub type ModuleArrows = BTreeMap<ModulePath, BTreeSet<ModulePath>>;

/// One path as it is written, the part after the last `::` too.
struct WrittenPath {
    names: Vec<String>,
    exported: bool,
}

/// Returns every arrow between two modules of the crate.
pub fn read_arrows(files: &[SourceFile]) -> ModuleArrows {
    let files: Vec<&SourceFile> = files.iter().filter(|file| !file.is_test()).collect();
    let modules: BTreeSet<ModulePath> = files.iter().map(|file| file.module.clone()).collect();
    let written: Vec<(&SourceFile, Vec<WrittenPath>)> =
        files.iter().map(|file| (*file, written_paths(&file.code_without_tests()))).collect();
    let mut exports = BTreeMap::new();
    for (file, paths) in &written {
        for path in paths.iter().filter(|path| path.exported) {
            if let Some(absolute) = absolute_path(file, &path.names, &modules) {
                let name = path.names.last().unwrap().clone();
                exports.insert([&file.module[..], &[name]].concat(), absolute);
            }
        }
    }
    let mut arrows: ModuleArrows = modules.iter().map(|module| (module.clone(), BTreeSet::new())).collect();
    for (file, paths) in &written {
        for path in paths {
            let Some(absolute) = absolute_path(file, &path.names, &modules) else { continue };
            let meant = follow_exports(absolute, &exports, &modules);
            if let Some(module) = innermost_module(&meant, &modules)
                && module != file.module
            {
                arrows.get_mut(&file.module).unwrap().insert(module);
            }
        }
    }
    arrows
}

/// The crate's own macros, which are named like layers.
const CRATE_MACROS: [&str; 2] = ["outln", "errln"];

/// Returns the layers that a file names after `crate::`.
pub fn used_layers(code: &str) -> Vec<String> {
    let paths =
        written_paths(code).into_iter().filter(|path| path.names[0] == "crate" && path.names.len() > 1);
    let names = paths.map(|path| path.names[1].clone());
    names.filter(|name| !CRATE_MACROS.contains(&name.as_str())).collect()
}

fn absolute_path(file: &SourceFile, names: &[String], modules: &BTreeSet<ModulePath>) -> Option<ModulePath> {
    match names[0].as_str() {
        "crate" => Some(names[1..].to_vec()),
        "self" => Some([&file.module[..], &names[1..]].concat()),
        "super" => {
            let up = names.iter().take_while(|name| *name == "super").count();
            let above = file.module.len().checked_sub(up)?;
            Some([&file.module[..above], &names[up..]].concat())
        }
        first => {
            let child = [&file.module[..], &[first.to_owned()]].concat();
            modules.contains(&child).then(|| [&file.module[..], names].concat())
        }
    }
}

fn follow_exports(
    mut path: ModulePath,
    exports: &BTreeMap<ModulePath, ModulePath>,
    modules: &BTreeSet<ModulePath>,
) -> ModulePath {
    for _ in 0..5 {
        let found = (1..=path.len())
            .rev()
            .find(|length| exports.contains_key(&path[..*length]) && !modules.contains(&path[..*length]));
        let Some(length) = found else { break };
        path = [&exports[&path[..length]][..], &path[length..]].concat();
    }
    path
}

fn innermost_module(path: &[String], modules: &BTreeSet<ModulePath>) -> Option<ModulePath> {
    (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|module| modules.contains(module))
}

/// Returns all paths of at least two names, and those of one name that `use` names.
fn written_paths(code: &str) -> Vec<WrittenPath> {
    let mut paths = Vec::new();
    let mut rest = String::with_capacity(code.len());
    let mut at = 0;
    while let Some((start, exported)) = next_use(code, at) {
        rest.push_str(&code[at..start]);
        let end = start + code[start..].find(';').unwrap();
        expand_tree(&code[start + "use ".len()..end], &[], exported, &mut paths);
        at = end;
    }
    rest.push_str(&code[at..]);
    let mut before = ' ';
    let mut offset = 0;
    while let Some(c) = rest[offset..].chars().next() {
        let begins =
            (c.is_alphabetic() || c == '_') && !is_identifier_char(before) && before != ':' && before != '.';
        let length = if begins { written_length(&rest[offset..]) } else { c.len_utf8() };
        let word = &rest[offset..offset + length];
        if begins && word.contains("::") {
            paths.push(WrittenPath { names: word.split("::").map(str::to_owned).collect(), exported: false });
        }
        before = word.chars().next_back().unwrap();
        offset += length;
    }
    paths
}

/// Returns where the next `use` statement begins, and whether it exports.
fn next_use(code: &str, from: usize) -> Option<(usize, bool)> {
    code[from..].match_indices("use ").map(|(offset, _)| from + offset).find_map(|start| {
        let line = code[..start].rsplit('\n').next().unwrap().trim();
        let visible = line == "pub" || (line.starts_with("pub(") && line.ends_with(')'));
        (line.is_empty() || visible).then_some((start, visible))
    })
}

/// Returns the length of `a::b::c` at the beginning of `text`.
fn written_length(text: &str) -> usize {
    let mut length = leading_identifier(text).len();
    while let Some(after) = text[length..].strip_prefix("::") {
        let name = leading_identifier(after);
        if name.is_empty() {
            break;
        }
        length += "::".len() + name.len();
    }
    length
}

fn expand_tree(tree: &str, above: &[String], exported: bool, paths: &mut Vec<WrittenPath>) {
    for part in split_at_commas(tree) {
        let part = part.trim();
        let (path, group) = match part.find('{') {
            Some(open) => (&part[..open], Some(&part[open + 1..part.rfind('}').unwrap()])),
            None => (part.split(" as ").next().unwrap(), None),
        };
        let own = path.split("::").map(str::trim).filter(|name| !name.is_empty());
        let mut names = above.to_vec();
        names.extend(own.map(str::to_owned));
        if names.len() > 1 && names.last().is_some_and(|name| name == "self") {
            names.pop();
        }
        match group {
            Some(group) => expand_tree(group, &names, exported, paths),
            None if names.is_empty() => {}
            None => paths.push(WrittenPath { names, exported }),
        }
    }
}

fn split_at_commas(tree: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    parts
}

#[test]
fn groups_are_read_too() {
    let code = "use crate::{a::{b, c}, d::{self}};\nfn x() { crate::e::f() }";
    assert_eq!(used_layers(code), ["a", "a", "d", "e"]);
}
