//! Finds the assignments of packagecloud.rb in its syntax tree.
//!
//! Plain is only an assignment that stands by itself at the top of the file, of a literal, to a quoted key; whatever
//! else may set a key is an expression for that key.

use tree_sitter::{Node, Parser};

use crate::model::packagecloud::settings::RAILS_HASH;

use super::{ConfigAssignedValue, ConfigAssignment, ConfigFile, edit};

/// Parses the bytes of packagecloud.rb.
pub(super) fn parse_packagecloud_rb_source(bytes: &[u8]) -> ConfigFile {
    let mut file = ConfigFile {
        bytes: bytes.to_vec(),
        assignments: Vec::new(),
        block_insert_offset: None,
        append_offset: bytes.len(),
        error: None,
        early_exit_line: None,
        secrets: Vec::new(),
    };
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_ruby::LANGUAGE.into())
        .expect("the grammar and the parser are of versions that fit, which the tests hold");
    let Some(tree) = parser.parse(bytes, None) else {
        file.error = Some(1);
        return file;
    };
    let root = tree.root_node();
    let source = RubySource { bytes, heredocs: find_heredocs(root) };
    // Ruby ends a script at these bytes; the parser doesn't.
    if let Some(at) = bytes.iter().position(|byte| matches!(byte, 0 | 4 | 26)) {
        file.error = Some(line_number_at(bytes, at));
    } else if root.has_error() {
        file.error = Some(first_syntax_error_line(root));
    }
    let mut begin = None;
    for index in 0..root.child_count() {
        let Some(node) = root.child(index) else { continue };
        match node.kind() {
            "uninterpreted" => {
                // Ruby takes `__END__` alone on its line only; the parser is less strict.
                let start = node.start_byte().saturating_sub("__END__".len());
                let alone = start == 0 || bytes[start - 1] == b'\n' || bytes[..start] == *edit::UTF8_BOM;
                let rest = &bytes[node.start_byte()..];
                if !alone || !(rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n")) {
                    file.error.get_or_insert(line_number_at(bytes, start));
                }
                file.append_offset = start;
            }
            "comment" => match source.syntax_node_source_text(node).trim() {
                edit::BLOCK_BEGIN_MARKER => begin = Some(()),
                edit::BLOCK_END_MARKER if begin.take().is_some() => {
                    file.block_insert_offset = Some(node.start_byte() - node.start_position().column);
                }
                _ => {}
            },
            _ => source.collect_ruby_statement_assignments(node, &mut file),
        }
    }
    file.secrets = source.collect_config_secrets(root);
    file
}

fn line_number_at(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|byte| *byte == b'\n').count()
}

/// The line of what can't be read, else of what is missing.
fn first_syntax_error_line(root: Node<'_>) -> usize {
    let nodes = list_ruby_node_and_descendants(root);
    let found =
        nodes.iter().find(|node| node.is_error()).or_else(|| nodes.iter().find(|node| node.is_missing()));
    found.map_or(1, |node| node.start_position().row + 1)
}

/// Returns the named children of a node.
pub(super) fn list_syntax_child_nodes(node: Node<'_>) -> Vec<Node<'_>> {
    (0..node.child_count()).filter_map(|index| node.child(index)).collect()
}

/// Returns `node` and everything below it, in the order of the file.
pub(super) fn list_ruby_node_and_descendants(node: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        found.push(node);
        open.extend(list_syntax_child_nodes(node).into_iter().rev());
    }
    found
}

/// Heredocs' beginnings and bodies come in the same order.
fn find_heredocs(root: Node<'_>) -> Vec<(usize, Node<'_>)> {
    let nodes = list_ruby_node_and_descendants(root);
    let begins = nodes.iter().filter(|node| node.kind() == "heredoc_beginning");
    let bodies = nodes.iter().filter(|node| node.kind() == "heredoc_body");
    begins.zip(bodies).map(|(begin, body)| (begin.start_byte(), *body)).collect()
}

pub(super) struct RubySource<'a, 'tree> {
    pub(super) bytes: &'a [u8],
    pub(super) heredocs: Vec<(usize, Node<'tree>)>,
}

impl<'tree> RubySource<'_, 'tree> {
    /// Returns the source of a node.
    pub(super) fn syntax_node_source_text(&self, node: Node<'_>) -> String {
        String::from_utf8_lossy(&self.bytes[node.byte_range()]).into_owned()
    }

    /// Takes up what one statement at the top of the file sets.
    fn collect_ruby_statement_assignments(&self, node: Node<'tree>, file: &mut ConfigFile) {
        if self.is_ruby_exit_statement(node) {
            file.early_exit_line.get_or_insert(node.start_position().row + 1);
        }
        if let Some((assignment, right)) = self.parse_assignment(node) {
            file.assignments.push(assignment);
            // `a['x'] = b['y'] = true` sets both.
            self.record_nested_assignments(right, file);
        } else if let Some(url) = self.parse_external_url(node) {
            file.assignments.push(url);
        } else {
            self.record_nested_assignments(node, file);
        }
    }

    /// `hash['key'] = …` by itself, with its right-hand side.
    fn parse_assignment(&self, node: Node<'tree>) -> Option<(ConfigAssignment, Node<'tree>)> {
        if node.kind() != "assignment" {
            return None;
        }
        let (left, right) = (node.child_by_field_name("left")?, node.child_by_field_name("right")?);
        let (hash, index) = self.parse_element_reference(left)?;
        let key = (index.kind() == "string").then(|| self.decode_ruby_string(index)).flatten()?;
        let line = node.start_position().row + 1;
        let (start, value) = (node.start_byte(), self.parse_assigned_value(right));
        Some((ConfigAssignment { hash, key, value, start, right: right.byte_range(), line }, right))
    }

    /// `name[index]`, of a bare name and one index.
    fn parse_element_reference(&self, node: Node<'tree>) -> Option<(String, Node<'tree>)> {
        if node.kind() != "element_reference" || node.named_child_count() != 2 {
            return None;
        }
        let object = node.child_by_field_name("object").filter(|object| object.kind() == "identifier")?;
        Some((self.syntax_node_source_text(object), node.named_child(1)?))
    }

    fn parse_external_url(&self, node: Node<'tree>) -> Option<ConfigAssignment> {
        let right = match node.kind() {
            "call" => {
                let arguments = node.child_by_field_name("arguments")?;
                let name = node.child_by_field_name("method")?;
                let bare =
                    node.child_by_field_name("receiver").is_none() && arguments.named_child_count() == 1;
                (bare && self.syntax_node_source_text(name) == "external_url")
                    .then(|| arguments.named_child(0))??
            }
            "assignment" => {
                let name = node.child_by_field_name("left")?;
                (self.syntax_node_source_text(name) == "external_url")
                    .then(|| node.child_by_field_name("right"))??
            }
            _ => return None,
        };
        Some(ConfigAssignment {
            hash: String::new(),
            key: "external_url".to_owned(),
            value: self.parse_assigned_value(right),
            start: node.start_byte(),
            right: right.byte_range(),
            line: node.start_position().row + 1,
        })
    }

    /// Whatever inside `statement` may set a key counts as an expression for it.
    fn record_nested_assignments(&self, statement: Node<'tree>, file: &mut ConfigFile) {
        let nodes = list_ruby_node_and_descendants(statement);
        let mut expression = |hash: String, key: String, at: Node<'_>| {
            let line = at.start_position().row + 1;
            let right = at.byte_range();
            let start = at.start_byte();
            file.assignments.push(ConfigAssignment {
                hash,
                key,
                value: ConfigAssignedValue::Expression,
                start,
                right,
                line,
            });
        };
        let mut computed = false;
        for node in &nodes {
            if let Some((hash, index)) = self.parse_ruby_element_assignment(*node) {
                match self.parse_ruby_key_name(index) {
                    Some(key) => expression(hash, key, *node),
                    None => computed |= hash == RAILS_HASH,
                }
            }
            // `packagecloud_rails.merge!('key' => …)`, `.store('key', …)`, `.delete('key')`.
            if node.kind() == "call"
                && let Some(receiver) = node.child_by_field_name("receiver")
                && list_ruby_node_and_descendants(receiver)
                    .iter()
                    .any(|part| self.is_packagecloud_rails_identifier(*part))
                && let Some(arguments) = node.child_by_field_name("arguments")
            {
                for (part, key) in list_ruby_node_and_descendants(arguments)
                    .iter()
                    .filter_map(|part| Some((*part, self.parse_ruby_key_name(*part)?)))
                {
                    expression(RAILS_HASH.to_owned(), key, part);
                }
            }
        }
        // With a computed key, it may be any that the statement names.
        if computed {
            for (part, key) in nodes.iter().filter_map(|part| Some((*part, self.parse_ruby_key_name(*part)?)))
            {
                expression(RAILS_HASH.to_owned(), key, part);
            }
        }
    }

    fn is_packagecloud_rails_identifier(&self, node: Node<'_>) -> bool {
        node.kind() == "identifier" && self.syntax_node_source_text(node) == RAILS_HASH
    }

    /// `x[index]` on the left of any kind of assignment.
    fn parse_ruby_element_assignment(&self, node: Node<'tree>) -> Option<(String, Node<'tree>)> {
        let parent = node.parent()?;
        let left = match parent.kind() {
            "assignment" | "operator_assignment" => {
                parent.child_by_field_name("left").is_some_and(|left| left.id() == node.id())
            }
            kind => {
                kind == "left_assignment_list"
                    || kind == "rest_assignment"
                    || kind == "destructured_left_assignment"
            }
        };
        if !left || node.kind() != "element_reference" {
            return None;
        }
        let object = node.child_by_field_name("object")?;
        let name = if list_ruby_node_and_descendants(object)
            .iter()
            .any(|part| self.is_packagecloud_rails_identifier(*part))
        {
            RAILS_HASH.to_owned()
        } else {
            self.syntax_node_source_text(object)
        };
        Some((name, node.named_child(1)?))
    }

    /// The text of a string, a symbol or a hash's key.
    fn parse_ruby_key_name(&self, node: Node<'_>) -> Option<String> {
        match node.kind() {
            "string" => self.decode_ruby_string(node),
            "simple_symbol" => Some(self.syntax_node_source_text(node).trim_start_matches(':').to_owned()),
            "hash_key_symbol" | "bare_string" | "bare_symbol" => Some(self.syntax_node_source_text(node)),
            "delimited_symbol" => Some(
                self.syntax_node_source_text(node)
                    .trim_start_matches(':')
                    .trim_matches(['"', '\''])
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn parse_assigned_value(&self, node: Node<'_>) -> ConfigAssignedValue {
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

    /// Returns a string literal, decoded; `None` where it interpolates, or holds an escape that is better left to Ruby.
    pub(super) fn decode_ruby_string(&self, node: Node<'_>) -> Option<String> {
        let parts = list_syntax_child_nodes(node);
        let (open, close) = (parts.first()?, parts.last()?);
        if parts.len() < 2 || parts.iter().any(|part| part.kind() == "interpolation") {
            return None;
        }
        let body = std::str::from_utf8(&self.bytes[open.end_byte()..close.start_byte()]).ok()?;
        let open = self.syntax_node_source_text(*open);
        let double = open == "\"" || (open.starts_with('%') && !open.starts_with("%q"));
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

    /// `exit`, `return` and their like: nothing after it is run.
    fn is_ruby_exit_statement(&self, node: Node<'_>) -> bool {
        let word = match node.kind() {
            "return" => return true,
            "identifier" => self.syntax_node_source_text(node),
            "call" if node.child_by_field_name("receiver").is_none() => node
                .child_by_field_name("method")
                .map(|method| self.syntax_node_source_text(method))
                .unwrap_or_default(),
            _ => return false,
        };
        ["exit", "exit!", "abort", "raise"].contains(&word.as_str())
    }
}
