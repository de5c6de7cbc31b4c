//! The secrets of the file: every string that is given to a key with a secret's name.

use tree_sitter::Node;

use super::StatementReader;
use crate::model::{packagecloud::config_file::literals::list_syntax_child_nodes, redact};

/// How much of a left-hand side is looked at for a secret's name, in bytes from its end.
const SECRET_NAME_BYTES_MAX: usize = 4096;

impl StatementReader<'_, '_> {
    /// Takes up the secrets of a node: every string that a key with a secret's name is given, in whatever expression.
    pub(super) fn collect_node_secrets(&mut self, depth: usize) {
        let (node, field) = (self.frames[depth].node, self.frames[depth].field);
        let parent = depth.checked_sub(1).map(|at| (self.frames[at].node, self.frames[at].node.kind()));
        let left = match (parent, field) {
            (Some((parent, "assignment" | "operator_assignment")), Some("right")) => {
                parent.child_by_field_name("left")
            }
            (Some((parent, "pair")), Some("value")) => parent.child_by_field_name("key"),
            _ => None,
        };
        if left.is_some_and(|left| self.is_secret_name(left)) {
            self.frames[depth].is_secret_side = true;
            self.secret_sides += 1;
        }
        let secret = self.secret_sides > 0;
        match node.kind() {
            "heredoc_beginning" => self.heredocs.push_back(secret),
            "heredoc_body" if self.heredocs.pop_front().unwrap_or(false) => {
                for piece in list_syntax_child_nodes(node) {
                    if piece.kind() == "heredoc_content" {
                        self.secrets.push(self.source.syntax_node_source_text(piece));
                    }
                }
            }
            // `ENV['NAME']`: the name is none.
            "string" if secret && parent.is_none_or(|(_, kind)| kind != "element_reference") => {
                if let Some(raw) = self.source.find_string_body(node) {
                    let raw = String::from_utf8_lossy(raw).into_owned();
                    self.secrets.push(raw);
                }
                self.secrets.extend(self.source.decode_ruby_string(node));
            }
            _ => {}
        }
    }

    /// Returns whether what is assigned to has a secret's name.
    pub(super) fn is_secret_name(&self, left: Node<'_>) -> bool {
        let range = left.byte_range();
        let start = range.start.max(range.end.saturating_sub(SECRET_NAME_BYTES_MAX));
        redact::is_name_of_secret_setting(&String::from_utf8_lossy(&self.source.bytes[start..range.end]))
    }
}
