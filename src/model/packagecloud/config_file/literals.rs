//! Reads Ruby's literals out of packagecloud.rb: strings, symbols, keys, plain values.
//!
//! What is better left to Ruby, an escape or an interpolation, is no literal.

use tree_sitter::Node;

use super::{ConfigAssignedValue, edit};

/// The bytes that a syntax tree is of.
pub(super) struct RubySource<'a> {
    pub(super) bytes: &'a [u8],
}

/// Returns the children of a node, in one pass.
pub(super) fn list_syntax_child_nodes(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

impl RubySource<'_> {
    /// Returns the source of a node.
    pub(super) fn syntax_node_source_text(&self, node: Node<'_>) -> String {
        String::from_utf8_lossy(&self.bytes[node.byte_range()]).into_owned()
    }

    /// Returns whether the source of a node is `text`.
    pub(super) fn is_syntax_node_text(&self, node: Node<'_>, text: &str) -> bool {
        &self.bytes[node.byte_range()] == text.as_bytes()
    }

    /// Returns the text of a string, a symbol or a hash's key, which all name the same key of packagecloud's hashes.
    pub(super) fn parse_ruby_key_name(&self, node: Node<'_>) -> Option<String> {
        match node.kind() {
            "string" | "delimited_symbol" => self.decode_ruby_string(node),
            "simple_symbol" => Some(self.syntax_node_source_text(node).trim_start_matches(':').to_owned()),
            "hash_key_symbol" | "bare_string" | "bare_symbol" => Some(self.syntax_node_source_text(node)),
            _ => None,
        }
    }

    /// Returns what a right-hand side is.
    pub(super) fn parse_assigned_value(&self, node: Node<'_>) -> ConfigAssignedValue {
        match node.kind() {
            "true" => ConfigAssignedValue::True,
            "false" => ConfigAssignedValue::False,
            "nil" => ConfigAssignedValue::Nil,
            "integer" | "float" | "simple_symbol" => ConfigAssignedValue::Other,
            "string" => self
                .decode_ruby_string(node)
                .map_or(ConfigAssignedValue::Expression, ConfigAssignedValue::Text),
            _ => ConfigAssignedValue::Expression,
        }
    }

    /// Returns the bytes between a literal's delimiters, as written.
    pub(super) fn find_string_body(&self, node: Node<'_>) -> Option<&[u8]> {
        let parts = list_syntax_child_nodes(node);
        let (open, close) = (parts.first()?, parts.last()?);
        (open.end_byte() <= close.start_byte()).then(|| &self.bytes[open.end_byte()..close.start_byte()])
    }

    /// Returns a string literal, decoded; `None` where it interpolates, or holds an escape that is better left to Ruby.
    pub(super) fn decode_ruby_string(&self, node: Node<'_>) -> Option<String> {
        let parts = list_syntax_child_nodes(node);
        let (open, close) = (parts.first()?, parts.last()?);
        if parts.len() < 2 || parts.iter().any(|part| part.kind() == "interpolation") {
            return None;
        }
        let body = std::str::from_utf8(&self.bytes[open.end_byte()..close.start_byte()]).ok()?;
        let open = self.syntax_node_source_text(*open);
        let double = open.ends_with('"')
            || (open.starts_with('%') && !open.starts_with("%q") && !open.starts_with("%s"));
        let delimiters = [open.chars().next_back()?, self.syntax_node_source_text(*close).chars().next()?];
        let mut out = String::with_capacity(body.len());
        let mut chars = body.chars();
        while let Some(c) = chars.next() {
            if c == '\r' {
                return None; // Ruby reads a line's end inside a literal as `\n`.
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let next = chars.next()?;
            match next {
                '\\' => out.push('\\'),
                c if delimiters.contains(&c) => out.push(c),
                _ if !double => out.extend(['\\', next]),
                'n' => out.push('\n'),
                't' => out.push('\t'),
                's' => out.push(' '),
                '#' | '\'' | '"' | '/' | '.' | ':' | '=' | '+' | '-' | '@' | '$' => out.push(next),
                _ => return None,
            }
        }
        Some(out)
    }
}

/// Returns whether `__END__`, whose text ends where `node` begins, stands alone on its line: only then Ruby takes it.
pub(super) fn is_end_marker_alone(bytes: &[u8], node: Node<'_>) -> (usize, bool) {
    let start = node.start_byte().saturating_sub("__END__".len());
    let alone = start == 0 || bytes[start - 1] == b'\n' || bytes[..start] == *edit::UTF8_BOM;
    let rest = &bytes[node.start_byte()..];
    (start, alone && (rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n")))
}
