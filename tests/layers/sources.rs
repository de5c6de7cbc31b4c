//! Reads the sources as text: the files of a folder, each with its module and with its code apart from comments and strings.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One Rust file.
pub struct SourceFile {
    /// Below the repository's root.
    pub path: String,
    pub text: String,
    /// The text at the same length: comments and what quotes hold are spaces.
    pub code: String,
    /// The module's path below the crate, as `["engine", "stages"]`.
    pub module: Vec<String>,
}

impl SourceFile {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let code = blank_comments_and_strings(&text);
        let module = module_path(&path);
        Self { path, text, code, module }
    }

    /// Tells whether all of the file belongs to tests.
    pub fn is_test(&self) -> bool {
        !self.path.starts_with("src/") || self.module.iter().any(|name| name == "tests" || name == "fake")
    }

    /// Returns the code with the bodies of `mod tests { … }` as spaces.
    pub fn code_without_tests(&self) -> String {
        blank_inline_tests(&self.code)
    }

    /// Returns the number of the line at `offset`, from 1.
    pub fn line_number(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }
}

pub fn repository_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads all Rust files below `folder`, in the order of their paths.
pub fn read_sources(folder: &str) -> Vec<SourceFile> {
    let files = list_files(folder, &["rs"]);
    files.iter().map(|path| SourceFile::read(repository_root(), path)).collect()
}

/// Lists the files below `folder` whose name ends in one of `extensions`.
pub fn list_files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect_files(&repository_root().join(folder), extensions, &mut found);
    found.sort();
    assert!(!found.is_empty(), "{folder} holds no sources");
    found
}

fn collect_files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect_files(&path, extensions, found);
            }
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|one| extension == *one)) {
            found.push(path);
        }
    }
}

fn module_path(path: &str) -> Vec<String> {
    let below = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut names: Vec<String> = below.split('/').map(str::to_owned).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib")) {
        names.pop();
    }
    names
}

/// Replaces what comments and quotes hold by spaces; lines stay lines.
fn blank_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (from, to, next) = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => {
                let end = text[at..].find('\n').map_or(bytes.len(), |length| at + length);
                (at, end, end)
            }
            b'/' if bytes[at..].starts_with(b"/*") => {
                let end = text[at..].find("*/").map_or(bytes.len(), |length| at + length + 2);
                (at, end, end)
            }
            b'r' if starts_raw_string(bytes, at) => {
                let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
                let from = at + hashes + 2;
                let close = format!("\"{}", "#".repeat(hashes));
                let end = from + text[from..].find(&close).unwrap();
                (from, end, end + close.len())
            }
            b'"' => {
                let end = closing_quote(bytes, at + 1, b'"');
                (at + 1, end, end + 1)
            }
            b'\'' if is_char_literal(text, at) => {
                let end = closing_quote(bytes, at + 1, b'\'');
                (at + 1, end, end + 1)
            }
            _ => (at, at, at + 1),
        };
        out[from..to].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = next;
    }
    String::from_utf8(out).unwrap()
}

fn starts_raw_string(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| bytes[before]);
    let inside_name =
        before.is_some_and(|byte| byte != b'b' && (byte.is_ascii_alphanumeric() || byte == b'_'));
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    !inside_name && bytes.get(at + 1 + hashes) == Some(&b'"')
}

fn closing_quote(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Tells a character from a lifetime: it is escaped, or its quote closes after one character.
fn is_char_literal(text: &str, at: usize) -> bool {
    let mut after = text[at + 1..].chars();
    match after.next() {
        Some('\\') => true,
        Some(_) => after.next() == Some('\''),
        None => false,
    }
}

fn blank_inline_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (start, _) in code.match_indices("mod tests {") {
        let end = closing_brace(code, start);
        out[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
    String::from_utf8(out).unwrap()
}

/// Returns where the first block that opens after `start` is closed.
pub fn closing_brace(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in code[start..].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return start + offset,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Lists the enums that the code of a file defines, each with its variants.
pub fn defined_enums(code: &str) -> Vec<(String, Vec<String>)> {
    let starts = code.match_indices("enum ").map(|(at, _)| at);
    let own_word = starts.filter(|at| !code[..*at].ends_with(is_identifier_char));
    own_word
        .map(|at| {
            let body = &code[at..closing_brace(code, at)];
            let variants = body.split_once('{').map(|(_, body)| variant_names(body)).unwrap_or_default();
            (leading_identifier(&body["enum ".len()..]).to_owned(), variants)
        })
        .collect()
}

/// The first name behind each comma that nothing else encloses.
fn variant_names(body: &str) -> Vec<String> {
    let (mut names, mut depth, mut expected) = (Vec::new(), 0_usize, true);
    for (at, c) in body.char_indices() {
        match c {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => expected = true,
            _ if depth == 0 && expected && c.is_alphabetic() => {
                names.push(leading_identifier(&body[at..]).to_owned());
                expected = false;
            }
            _ => {}
        }
    }
    names
}

pub fn leading_identifier(text: &str) -> &str {
    let end = text.find(|c: char| !is_identifier_char(c)).unwrap_or(text.len());
    &text[..end]
}

pub fn is_identifier_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn comments_and_strings_are_no_code() {
    let text = "a(\"x // \\\" y\", r#\"q\"q\"#, 'x', '\\'', b\"z\") // c\n/* d */ fn e<'f>(g: &'f str) {}";
    let code = blank_comments_and_strings(text);
    assert_eq!(code.len(), text.len());
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words.concat(), "a(\"\",r#\"\"#,'','',b\"\")fne<'f>(g:&'fstr){}");
}

#[test]
fn an_enums_variants_are_read_with_whatever_they_hold() {
    let code = "pub enum Shape { #[default] Dot, Line(u8, u8), Box { a: u8, b: [u8; 2] }, Last }";
    let variants = ["Dot", "Line", "Box", "Last"].map(str::to_owned).to_vec();
    assert_eq!(defined_enums(code), [("Shape".to_owned(), variants)]);
}
