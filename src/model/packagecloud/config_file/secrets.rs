//! Collects the secrets that packagecloud.rb holds, so that they can be hidden wherever they turn up.
//!
//! A key's name makes its value a secret, in any hash, at any depth, and in whatever expression it stands.

use tree_sitter::Node;

use crate::model::redact;

use super::parse::{RubySource, list_ruby_node_and_descendants, list_syntax_child_nodes};

impl<'tree> RubySource<'_, 'tree> {
    /// Returns every string that a key with a secret's name is given anywhere, in each form under which it may turn up;
    /// longest first.
    pub(super) fn collect_config_secrets(&self, root: Node<'tree>) -> Vec<String> {
        let mut secrets = Vec::new();
        for node in list_ruby_node_and_descendants(root) {
            let pair = match node.kind() {
                "assignment" | "operator_assignment" => {
                    (node.child_by_field_name("left"), node.child_by_field_name("right"))
                }
                "pair" => (node.child_by_field_name("key"), node.child_by_field_name("value")),
                _ => continue,
            };
            let (Some(left), Some(right)) = pair else { continue };
            if !redact::is_secret_key_name(&self.syntax_node_source_text(left)) {
                continue;
            }
            for part in list_ruby_node_and_descendants(right) {
                // `ENV['NAME']`: the name is none.
                let index = part.parent().is_some_and(|parent| parent.kind() == "element_reference");
                if part.kind() == "string" && !index {
                    let parts = list_syntax_child_nodes(part);
                    if let (Some(open), Some(close)) = (parts.first(), parts.last())
                        && open.end_byte() <= close.start_byte()
                    {
                        let raw = &self.bytes[open.end_byte()..close.start_byte()];
                        secrets.push(String::from_utf8_lossy(raw).into_owned());
                    }
                    secrets.extend(self.decode_ruby_string(part));
                }
                if part.kind() == "heredoc_beginning"
                    && let Some((_, body)) = self.heredocs.iter().find(|(at, _)| *at == part.start_byte())
                {
                    secrets.extend(
                        list_syntax_child_nodes(*body)
                            .into_iter()
                            .filter(|piece| piece.kind() == "heredoc_content")
                            .map(|piece| self.syntax_node_source_text(piece)),
                    );
                }
            }
        }
        let mut forms: Vec<String> =
            secrets.iter().flat_map(|secret| redact::list_secret_encoded_forms(secret)).collect();
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        forms
    }
}
