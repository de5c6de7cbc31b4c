//! What an assignment does to our values, and to the names that may stand for packagecloud's hash.

use tree_sitter::Node;

use super::{
    AssignmentTarget, StatementReader, SyntaxFrame, find_root_object, find_setting_index, is_variable,
};
use crate::model::packagecloud::{
    config_file::{ConfigAssignedValue, ConfigAssignment},
    settings::RAILS_HASH,
};

impl<'tree> StatementReader<'_, 'tree> {
    /// Takes up `a['b']`, where it is read, passed on or assigned to.
    pub(super) fn visit_element_reference(
        &mut self,
        node: Node<'tree>,
        field: Option<&'tree str>,
        depth: usize,
    ) {
        let parent = self.frames[depth - 1].node.kind();
        let listed = matches!(
            parent,
            "left_assignment_list"
                | "destructured_left_assignment"
                | "rest_assignment"
                | "exception_variable"
        ) || (parent == "for" && field == Some("pattern"));
        let assigned = field == Some("left") && matches!(parent, "assignment" | "operator_assignment");
        if listed {
            self.frames[depth].is_target = true;
            self.open_assignment_target(node, node);
        } else if assigned {
            self.frames[depth].is_target = true;
        } else if let Some(object) = node.child_by_field_name("object")
            && matches!(object.kind(), "constant" | "scope_resolution")
            && !self.source.is_syntax_node_text(object, "ENV")
        {
            // `Packagecloud[…]` may be packagecloud's hash.
            self.open_every_value(node);
        }
    }

    /// Takes up `a = …` and `a ||= …`.
    pub(super) fn visit_assignment(&mut self, node: Node<'tree>, depth: usize) {
        let (Some(left), Some(right)) = (node.child_by_field_name("left"), node.child_by_field_name("right"))
        else {
            return;
        };
        if left.kind() != "element_reference" {
            self.record_external_url(node, depth);
            return;
        }
        let target = self.find_assignment_target(left);
        let statement = self.frames[depth].statement == depth;
        let (hash, key) = match target {
            AssignmentTarget::RailsHash(Some(key)) => (RAILS_HASH.to_owned(), key),
            AssignmentTarget::OtherHash(hash, Some(key)) => (hash, key),
            _ => return self.open_assignment_target(left, node),
        };
        let value = self.source.parse_assigned_value(right);
        let literal = node.kind() == "assignment" && statement && value != ConfigAssignedValue::Expression;
        if !literal {
            return self.open_named_value(&hash, key, node);
        }
        let index = self.file.assignments.len();
        let ours = find_setting_index(&hash, &key);
        self.push_assignment(hash, key, value, (node, right), depth == 1);
        let Some(ours) = ours else {
            self.frames[depth].is_plain = true;
            return;
        };
        self.frames[depth].is_plain = true;
        self.frames[depth - 1].settled_before[ours] = Some(index);
        if depth == 1 {
            self.effects.settles = Some((ours, index));
        } else {
            self.add_opening(ours, node, true);
        }
    }

    /// Notes an assignment, and that it settles one of our values where it plainly does.
    pub(super) fn push_assignment(
        &mut self,
        hash: String,
        key: String,
        value: ConfigAssignedValue,
        (node, right): (Node<'tree>, Node<'tree>),
        is_top_level: bool,
    ) {
        self.file.assignments.push(ConfigAssignment {
            hash,
            key,
            value,
            start: node.start_byte(),
            right: right.byte_range(),
            line: node.start_position().row + 1,
            is_top_level,
        });
    }

    /// Opens what an element that is assigned to may be of our values; `at` is where that stands.
    pub(super) fn open_assignment_target(&mut self, left: Node<'tree>, at: Node<'tree>) {
        match self.find_assignment_target(left) {
            AssignmentTarget::RailsHash(Some(key)) => self.open_named_value(RAILS_HASH, key, at),
            AssignmentTarget::OtherHash(hash, Some(key)) => self.open_named_value(&hash, key, at),
            AssignmentTarget::OtherHash(_, None) => {}
            AssignmentTarget::Unknown(Some(key)) if key != RAILS_HASH => {
                if let Some(ours) = find_setting_index(RAILS_HASH, &key) {
                    self.add_opening(ours, at, true);
                }
            }
            AssignmentTarget::RailsHash(None) | AssignmentTarget::Unknown(_) => self.open_every_value(at),
        }
    }

    /// What `object[index]` is an element of.
    pub(super) fn find_assignment_target(&self, left: Node<'_>) -> AssignmentTarget {
        let object = left.child_by_field_name("object");
        let mut cursor = left.walk();
        let indexes: Vec<_> = left
            .named_children(&mut cursor)
            .filter(|one| Some(one.id()) != object.map(|one| one.id()))
            .collect();
        let key = match indexes[..] {
            [index] => self.source.parse_ruby_key_name(index),
            _ => None,
        };
        let Some(object) = object else { return AssignmentTarget::Unknown(key) };
        if self.is_rails_hash(object) {
            return AssignmentTarget::RailsHash(key);
        }
        let root = find_root_object(object);
        let known = match root.kind() {
            "identifier" => {
                !self.is_suspect_name(root)
                    && !self.methods.contains(&self.source.syntax_node_source_text(root))
            }
            "call" => self.find_own_method_name(root).is_some_and(|name| !self.methods.contains(&name)),
            _ => false,
        };
        if !known {
            return AssignmentTarget::Unknown(key);
        }
        // What lies deeper in a hash is none of its own keys.
        AssignmentTarget::OtherHash(self.source.syntax_node_source_text(object), key)
    }

    /// After `name = …`: whether the name may stand for packagecloud's hash, or for something that changes it.
    pub(super) fn note_assigned_name(&mut self, frame: &SyntaxFrame<'tree>) {
        let Some(left) = frame.node.child_by_field_name("left") else { return };
        if !self.definitions.is_empty() {
            return;
        }
        let mut cursor = left.walk();
        let names: Vec<_> = match left.kind() {
            "left_assignment_list" => left.named_children(&mut cursor).collect(),
            _ => vec![left],
        };
        for left in names.into_iter().filter(|one| is_variable(*one)) {
            let name = self.source.syntax_node_source_text(left);
            // What stands for the hash once may still do so where the statement that says otherwise has a condition.
            let suspect =
                self.effects.count > frame.effects_before || name == RAILS_HASH || self.is_suspect_name(left);
            self.names.insert(name, suspect);
        }
    }

    /// Notes `external_url` where a statement of its own sets it.
    pub(super) fn record_external_url(&mut self, node: Node<'tree>, depth: usize) {
        let right = match node.kind() {
            "call" => node
                .child_by_field_name("method")
                .filter(|name| self.source.is_syntax_node_text(*name, "external_url"))
                .and_then(|_| node.child_by_field_name("arguments"))
                .filter(|arguments| arguments.named_child_count() == 1)
                .and_then(|arguments| arguments.named_child(0)),
            _ => node
                .child_by_field_name("left")
                .filter(|name| self.source.is_syntax_node_text(*name, "external_url"))
                .and_then(|_| node.child_by_field_name("right")),
        };
        if let Some(right) = right.filter(|_| depth == 1) {
            let value = self.source.parse_assigned_value(right);
            self.push_assignment(String::new(), "external_url".to_owned(), value, (node, right), true);
        }
    }
}
