//! Reads the bytes of packagecloud.rb: one parse, one walk over its syntax tree, bounded.
//!
//! The tree is walked by a cursor, so that the time is in proportion to the file, however it is nested.

use std::ops::ControlFlow;

use tree_sitter::{ParseOptions, Parser, Tree};

use super::{ConfigFile, ConfigReadProblem, literals::RubySource, statements::StatementReader};

/// The largest packagecloud.rb that is read, in bytes: twelve times what omnibus packages ship as their template.
pub const CONFIG_BYTES_MAX: usize = 2 << 20;

/// How many nodes of the tree are visited between two looks at whether to go on.
const NODES_PER_LOOK: usize = 1024;

/// Parses the bytes of packagecloud.rb while `keep_going` says so.
pub(super) fn parse_packagecloud_rb_source(bytes: &[u8], keep_going: &mut dyn FnMut() -> bool) -> ConfigFile {
    let mut file = ConfigFile::new_unread_config(bytes);
    if bytes.len() > CONFIG_BYTES_MAX {
        file.problem = Some(ConfigReadProblem::TooLarge(bytes.len()));
        return file;
    }
    let Some(tree) = parse_ruby_syntax_tree(bytes, keep_going) else {
        file.problem = Some(ConfigReadProblem::TooSlow);
        return file;
    };
    let mut reader = StatementReader::new_statement_reader(RubySource { bytes }, &mut file);
    let (mut first_error, mut first_missing) = (None, None);
    let mut comments = Vec::new();
    let mut cursor = tree.walk();
    let mut visited = 0_usize;
    'tree: loop {
        visited += 1;
        let node = cursor.node();
        if visited.is_multiple_of(NODES_PER_LOOK) && !keep_going() {
            file.problem = Some(ConfigReadProblem::TooSlow);
            return file;
        }
        let line = || node.start_position().row + 1;
        if node.is_error() {
            first_error.get_or_insert_with(line);
        } else if node.is_missing() {
            first_missing.get_or_insert_with(line);
        }
        if node.kind() == "comment" {
            comments.push(node.byte_range());
        }
        reader.enter_syntax_node(node, cursor.field_name());
        if cursor.goto_first_child() {
            continue;
        }
        loop {
            reader.leave_syntax_node();
            if cursor.goto_next_sibling() {
                break;
            }
            if !cursor.goto_parent() {
                break 'tree;
            }
        }
    }
    reader.finish_reading();
    file.problem = find_refused_bytes(bytes, &comments, file.data_offset).or_else(|| {
        (tree.root_node().has_error() || file.misplaced_end_line.is_some()).then(|| {
            let line = first_error.or(first_missing).into_iter().chain(file.misplaced_end_line).min();
            ConfigReadProblem::NotRuby(line.unwrap_or(1))
        })
    });
    file
}

fn parse_ruby_syntax_tree(bytes: &[u8], keep_going: &mut dyn FnMut() -> bool) -> Option<Tree> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_ruby::LANGUAGE.into())
        .expect("the grammar and the parser are of versions that fit, which the tests hold");
    let mut look = |_: &tree_sitter::ParseState| {
        if keep_going() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut look);
    parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options))
}

/// Finds bytes for which Ruby ends or refuses a file, and the parser doesn't.
///
/// `data_offset` is where `__END__` stands: what follows isn't read by Ruby either.
fn find_refused_bytes(
    bytes: &[u8],
    comments: &[std::ops::Range<usize>],
    data_offset: Option<usize>,
) -> Option<ConfigReadProblem> {
    let code = &bytes[..data_offset.unwrap_or(bytes.len())];
    if let Some(at) = bytes.iter().position(|byte| matches!(byte, 0 | 4 | 26)) {
        return Some(ConfigReadProblem::RefusedBytes(line_number_at(bytes, at)));
    }
    if names_another_encoding(code) {
        return None;
    }
    let mut from = 0;
    while let Err(error) = std::str::from_utf8(&code[from..]) {
        let at = from + error.valid_up_to();
        let comment = comments.partition_point(|range| range.end <= at);
        if comments.get(comment).is_none_or(|range| range.start > at) {
            return Some(ConfigReadProblem::RefusedBytes(line_number_at(bytes, at)));
        }
        from = at + error.error_len().unwrap_or(code.len() - at).max(1);
    }
    None
}

/// Whether the first line, or the one below `#!`, is a comment that names an encoding other than UTF-8.
fn names_another_encoding(code: &[u8]) -> bool {
    let mut lines = code.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let first = lines.next().unwrap_or_default();
    let line = if first.starts_with("#!") { lines.next().unwrap_or_default() } else { first };
    let Some(at) = line.find("coding").filter(|_| line.starts_with('#')) else { return false };
    let name = line[at + "coding".len()..].trim_start_matches([':', '=', ' ']).to_ascii_lowercase();
    !name.is_empty() && !name.starts_with("utf-8") && !name.starts_with("us-ascii")
}

fn line_number_at(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|byte| *byte == b'\n').count()
}
