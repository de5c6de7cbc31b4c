//! What a name or a call may do to our values: the file's own methods, its names for packagecloud's hash, and Ruby's words.

use std::collections::HashSet;

use tree_sitter::Node;

use super::{StatementReader, find_root_object};
use crate::model::packagecloud::{
    config_file::{
        harmless::{
            is_exit_word, is_failing_exit_word, is_harmless_bare_call, is_harmless_method, is_reading_method,
        },
        literals::list_syntax_child_nodes,
    },
    settings::RAILS_HASH,
};

impl<'tree> StatementReader<'_, 'tree> {
    /// Whether a name is introduced rather than used.
    pub(super) fn is_parameter(&self, depth: usize) -> bool {
        let kind = self.frames[depth - 1].node.kind();
        kind.ends_with("_parameters")
            || kind.ends_with("_parameter")
            || self.frames[depth].node.kind().ends_with("_parameter")
    }

    /// Whether what is appended to is surely none of packagecloud's values.
    pub(super) fn is_unrelated_to_rails_hash(&self, node: Node<'_>) -> bool {
        let root = find_root_object(node);
        root.kind() == "identifier"
            && !self.source.is_syntax_node_text(root, RAILS_HASH)
            && !self.is_suspect_name(root)
    }

    /// Takes up a method of the file's own.
    pub(super) fn begin_method_definition(&mut self, node: Node<'tree>, depth: usize) {
        let name = node.child_by_field_name("name").map(|name| self.source.syntax_node_source_text(name));
        let name = name.unwrap_or_default();
        if name == RAILS_HASH || name == "method_missing" {
            self.open_every_value(node);
        }
        self.methods.insert(name.clone());
        self.definitions.push(name);
        self.frames[depth].is_definition = true;
    }

    /// Returns whether a name was assigned what may be packagecloud's hash.
    pub(super) fn is_suspect_name(&self, node: Node<'_>) -> bool {
        self.names.get(&self.source.syntax_node_source_text(node)).copied().unwrap_or(false)
    }

    /// `packagecloud_rails` as the file's hash, or `self.packagecloud_rails`.
    pub(super) fn is_rails_hash(&self, node: Node<'_>) -> bool {
        match node.kind() {
            "identifier" => {
                self.source.is_syntax_node_text(node, RAILS_HASH) && !self.names.contains_key(RAILS_HASH)
            }
            "call" => self.find_own_method_name(node).as_deref() == Some(RAILS_HASH),
            _ => false,
        }
    }

    /// The name in `self.name`, without arguments.
    pub(super) fn find_own_method_name(&self, call: Node<'_>) -> Option<String> {
        let receiver = call.child_by_field_name("receiver")?;
        let bare =
            call.child_by_field_name("arguments").is_none() && call.child_by_field_name("block").is_none();
        (receiver.kind() == "self" && bare).then(|| {
            call.child_by_field_name("method").map(|name| self.source.syntax_node_source_text(name))
        })?
    }

    /// Takes up a bare name: a variable, or a call without a receiver.
    pub(super) fn visit_identifier(&mut self, node: Node<'tree>, field: Option<&'tree str>, depth: usize) {
        let parent = &self.frames[depth - 1];
        let kind = parent.node.kind();
        let name = self.source.syntax_node_source_text(node);
        if self.is_parameter(depth)
            || matches!(
                kind,
                "left_assignment_list"
                    | "exception_variable"
                    | "rest_assignment"
                    | "destructured_left_assignment"
            )
            || (kind == "for" && field == Some("pattern"))
        {
            // A name of its own: what it stands for comes from a part that is looked at itself.
            if name == RAILS_HASH {
                self.names.insert(name, true);
            }
            return;
        }
        let assigned = field == Some("left") && matches!(kind, "assignment" | "operator_assignment");
        if assigned || (field == Some("method") && kind == "call") {
            return;
        }
        let handled = parent.is_target
            || (parent.is_receiver_handled && field == Some("receiver"))
            || (kind == "element_reference" && field == Some("object"));
        if self.is_rails_hash(node) {
            if !handled {
                self.open_every_value(node);
            }
        } else if self.is_suspect_name(node) {
            if !parent.is_target {
                self.open_every_value(node);
            }
        } else {
            self.visit_bare_call(node, &name);
        }
    }

    /// A name that may be a method's: one of the file's own, one that ends it, or one of packagecloud's settings.
    pub(super) fn visit_bare_call(&mut self, node: Node<'tree>, name: &str) {
        for caller in &self.definitions {
            self.called_methods.entry(caller.clone()).or_default().insert(name.to_owned());
        }
        if self.is_method_among(name, &self.changing_methods) {
            self.open_every_value(node);
        }
        if is_exit_word(name) || self.is_method_among(name, &self.exiting_methods) {
            self.note_exit(node, is_failing_exit_word(name));
        } else if matches!(name, "binding" | "super") {
            self.open_every_value(node);
        }
    }

    /// Whether a method, or one that it calls, is among `methods`.
    pub(super) fn is_method_among(&self, name: &str, methods: &HashSet<String>) -> bool {
        let (mut open, mut seen) = (vec![name], HashSet::from([name]));
        while let Some(name) = open.pop() {
            if methods.contains(name) {
                return true;
            }
            let called = self.called_methods.get(name).into_iter().flatten().map(String::as_str);
            open.extend(called.filter(|one| self.methods.contains(*one) && seen.insert(one)));
        }
        false
    }

    /// Takes up a call with a receiver or arguments.
    pub(super) fn visit_call(&mut self, node: Node<'tree>, depth: usize) {
        let method = node.child_by_field_name("method");
        let name = method.map(|method| self.source.syntax_node_source_text(method)).unwrap_or_default();
        let Some(receiver) = node.child_by_field_name("receiver") else {
            self.record_external_url(node, depth);
            self.visit_bare_call(node, &name);
            let known = self.methods.contains(&name) || is_exit_word(&name);
            if !known && !is_harmless_bare_call(&name) {
                self.open_every_value(node);
            }
            return;
        };
        if let Some(own) = self.find_own_method_name(node) {
            let element = self.frames[depth - 1].node.kind() == "element_reference";
            let handled = self.frames[depth - 1].is_target
                || self.frames[depth - 1].is_receiver_handled
                || (element && self.frames[depth].field == Some("object"));
            if own == RAILS_HASH && !handled {
                self.open_every_value(node);
            } else if own != RAILS_HASH {
                self.visit_bare_call(node, &own);
            }
            return;
        }
        if self.is_rails_hash(receiver) {
            let handled = is_reading_method(&name) || self.record_named_changes(node, &name);
            self.frames[depth].is_receiver_handled = handled;
            return;
        }
        if receiver.kind() == "constant" && is_exit_word(&name) {
            self.note_exit(node, is_failing_exit_word(&name));
            return;
        }
        let makes = name == "new"
            && ["Hash", "Array", "Mash", "String"]
                .iter()
                .any(|class| self.source.is_syntax_node_text(receiver, class));
        if !is_harmless_method(&name) && !makes {
            self.open_every_value(node);
        }
    }

    /// `packagecloud_rails.merge!('key' => …)`, `.store('key', …)`, `.delete('key')`: whether all its keys are literals.
    pub(super) fn record_named_changes(&mut self, call: Node<'tree>, name: &str) -> bool {
        let Some(arguments) = call.child_by_field_name("arguments") else { return false };
        if call.child_by_field_name("block").is_some() {
            return false;
        }
        let arguments: Vec<_> =
            list_syntax_child_nodes(arguments).into_iter().filter(Node::is_named).collect();
        let keys: Option<Vec<String>> = match name {
            "merge!" | "update" => {
                let pairs = arguments.iter().flat_map(|one| match one.kind() {
                    "hash" => list_syntax_child_nodes(*one).into_iter().filter(Node::is_named).collect(),
                    _ => vec![*one],
                });
                pairs.map(|pair| self.source.parse_ruby_key_name(pair.child_by_field_name("key")?)).collect()
            }
            "store" | "delete" => {
                arguments.first().map(|key| self.source.parse_ruby_key_name(*key)).into_iter().collect()
            }
            _ => None,
        };
        let Some(keys) = keys else { return false };
        for key in keys {
            self.open_named_value(RAILS_HASH, key, call);
        }
        true
    }
}
