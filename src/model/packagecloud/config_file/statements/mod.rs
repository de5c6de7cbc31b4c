//! Follows packagecloud.rb statement by statement: which values each sets, may set, or leaves, and where the file may end.
//!
//! A plain assignment at the top of the file settles a value. Whatever isn't known to be harmless opens it again.

mod assignments;
mod exits;
mod names;
mod secrets;

use std::collections::{HashMap, HashSet, VecDeque};

use tree_sitter::Node;

use crate::model::{
    packagecloud::settings::{CloudFrontSettingKey, RAILS_HASH},
    redact,
};

use super::{
    ConfigAssignedValue, ConfigFile, edit,
    harmless::{is_harmless_syntax, is_statement_list},
    literals::{RubySource, is_end_marker_alone},
    state::{KEYS, SettingState, ValueOpening},
};

/// A node of the tree that has been entered and not left.
struct SyntaxFrame<'tree> {
    node: Node<'tree>,
    field: Option<&'tree str>,
    /// Which frame is the statement that this one is part of.
    statement: usize,
    /// For a list of statements: the plain assignments of our values just before the one that is read now.
    settled_before: [Option<usize>; KEYS],
    /// For a statement: whether it leaves those as they are.
    is_plain: bool,
    /// Whether it is an element that is assigned to, which is dealt with.
    is_target: bool,
    /// For a call: whether what it is called on, packagecloud's hash, is only read, or changed in ways that are known.
    is_receiver_handled: bool,
    /// For an assignment to a name: how many effects there were before it.
    effects_before: usize,
    is_definition: bool,
    is_lambda: bool,
    is_secret_side: bool,
}

/// What one statement at the top of the file does to our values.
#[derive(Default)]
struct StatementEffects {
    /// For each value what may change it, in the order of the file.
    openings: [Vec<ValueOpening>; KEYS],
    exits: Vec<PendingExit>,
    /// The value that the statement plainly sets.
    settles: Option<(usize, usize)>,
    count: usize,
}

/// A place where the file may end, until its statement is read to its end.
struct PendingExit {
    line: usize,
    is_failure: bool,
    start: usize,
    end: usize,
    settled_before: [Option<usize>; KEYS],
}

/// What an element of something is assigned to.
enum AssignmentTarget {
    /// packagecloud's own hash; the key where it is a literal.
    RailsHash(Option<String>),
    /// Another of the file's hashes.
    OtherHash(String, Option<String>),
    /// Something that may be packagecloud's hash under another name.
    Unknown(Option<String>),
}

/// Follows the file while its tree is walked.
pub(super) struct StatementReader<'a, 'tree> {
    source: RubySource<'a>,
    file: &'a mut ConfigFile,
    frames: Vec<SyntaxFrame<'tree>>,
    states: [SettingState; KEYS],
    effects: StatementEffects,
    /// Names that are assigned, and whether what they stand for may be packagecloud's hash.
    names: HashMap<String, bool>,
    methods: HashSet<String>,
    /// Those of them that may change our values where they are called, and those that may end the file.
    changing_methods: HashSet<String>,
    exiting_methods: HashSet<String>,
    /// What each of them calls by its bare name, which may be defined after it.
    called_methods: HashMap<String, HashSet<String>>,
    /// The methods whose definition is read now.
    definitions: Vec<String>,
    lambdas: usize,
    secret_sides: usize,
    /// Heredocs that have begun and whose text is still to come: whether that is a secret.
    heredocs: VecDeque<bool>,
    secrets: Vec<String>,
    has_block_begun: bool,
    /// Whether a statement has ended the file: what follows isn't run.
    has_ended: bool,
}

impl<'a, 'tree> StatementReader<'a, 'tree> {
    /// Returns a reader that puts what the statements of `source` settle into `file`.
    pub(super) fn new_statement_reader(source: RubySource<'a>, file: &'a mut ConfigFile) -> Self {
        Self {
            source,
            file,
            frames: Vec::new(),
            states: Default::default(),
            effects: StatementEffects::default(),
            names: HashMap::new(),
            methods: HashSet::new(),
            changing_methods: HashSet::new(),
            exiting_methods: HashSet::new(),
            called_methods: HashMap::new(),
            definitions: Vec::new(),
            lambdas: 0,
            secret_sides: 0,
            heredocs: VecDeque::new(),
            secrets: Vec::new(),
            has_block_begun: false,
            has_ended: false,
        }
    }

    /// Takes up a node before its children.
    pub(super) fn enter_syntax_node(&mut self, node: Node<'tree>, field: Option<&'tree str>) {
        let depth = self.frames.len();
        let is_statement = self.frames.last().is_some_and(|parent| is_statement_list(parent.node.kind()));
        let statement = match self.frames.last() {
            Some(parent) if !is_statement => parent.statement,
            _ => depth,
        };
        self.frames.push(SyntaxFrame {
            node,
            field,
            statement,
            settled_before: [None; KEYS],
            is_plain: !node.is_named() || node.kind() == "comment",
            is_target: false,
            is_receiver_handled: false,
            effects_before: self.effects.count,
            is_definition: false,
            is_lambda: false,
            is_secret_side: false,
        });
        if !node.is_named() {
            return;
        }
        self.collect_node_secrets(depth);
        if depth == 1 {
            self.begin_top_level_statement(node);
        }
        if depth > 0 && !self.has_ended && node.kind() != "uninterpreted" {
            self.visit_syntax_node(node, field, depth);
        }
    }

    /// Leaves the node that was entered last.
    pub(super) fn leave_syntax_node(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if frame.is_secret_side {
            self.secret_sides -= 1;
        }
        if frame.is_definition {
            self.definitions.pop();
        }
        if frame.is_lambda {
            self.lambdas -= 1;
        }
        if matches!(frame.node.kind(), "assignment" | "operator_assignment") && !self.has_ended {
            self.note_assigned_name(&frame);
        }
        if let Some(parent) = self.frames.last_mut()
            && !frame.is_plain
            && is_statement_list(parent.node.kind())
        {
            parent.settled_before = [None; KEYS];
        }
        if self.frames.len() == 1 && frame.node.is_named() {
            self.end_top_level_statement(frame.node);
        }
    }

    /// Hands what was read over to the file.
    pub(super) fn finish_reading(self) {
        let mut forms: Vec<String> =
            self.secrets.iter().flat_map(|secret| redact::list_secret_encoded_forms(secret)).collect();
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        self.file.secrets = forms;
        self.file.end_states = self.states;
        self.file.is_hash_name_shadowed = self.names.contains_key(RAILS_HASH);
    }

    fn begin_top_level_statement(&mut self, node: Node<'tree>) {
        let bytes = self.source.bytes;
        match node.kind() {
            "uninterpreted" => {
                let (start, alone) = is_end_marker_alone(bytes, node);
                if !alone {
                    self.file.misplaced_end_line = Some(node.start_position().row + 1);
                }
                self.file.data_offset = Some(start);
                if !self.has_ended {
                    self.file.append_offset = start;
                }
            }
            "comment" if !self.has_ended => match self.source.syntax_node_source_text(node).trim() {
                edit::BLOCK_BEGIN_MARKER => self.has_block_begun = true,
                edit::BLOCK_END_MARKER if std::mem::take(&mut self.has_block_begun) => {
                    self.file.block_insert_offset = Some(node.start_byte() - node.start_position().column);
                }
                _ => {}
            },
            _ if !self.has_ended => {
                if self.is_unconditional_exit(node) {
                    self.has_ended = true;
                    self.file.append_offset = edit::find_insertion_start(bytes, node.start_byte());
                } else {
                    self.file.last_statement_start = Some(node.start_byte());
                }
            }
            _ => {}
        }
    }

    fn end_top_level_statement(&mut self, node: Node<'tree>) {
        let effects = std::mem::take(&mut self.effects);
        for exit in &effects.exits {
            let point = self.describe_exit_point(exit, &effects.openings, node);
            self.file.exits.push(point);
        }
        for (state, openings) in self.states.iter_mut().zip(&effects.openings) {
            if openings.iter().any(|opening| opening.is_named) {
                state.assigned = None;
            }
            if let Some(last) = openings.last() {
                let is_named = state.assigned.is_none()
                    && (openings.iter().any(|opening| opening.is_named)
                        || state.open.is_some_and(|before| before.is_named));
                state.open = Some(ValueOpening { is_named, ..*last });
            }
        }
        if let Some((key, assignment)) = effects.settles {
            self.states[key] = SettingState { assigned: Some(assignment), open: None };
        }
    }

    /// Takes up what a node may do to our values.
    fn visit_syntax_node(&mut self, node: Node<'tree>, field: Option<&'tree str>, depth: usize) {
        match node.kind() {
            "method" | "singleton_method" => self.begin_method_definition(node, depth),
            "assignment" | "operator_assignment" => self.visit_assignment(node, depth),
            "element_reference" => self.visit_element_reference(node, field, depth),
            "identifier" => self.visit_identifier(node, field, depth),
            "call" => self.visit_call(node, depth),
            "return" if self.lambdas == 0 && self.definitions.is_empty() => self.note_exit(node, false),
            "lambda" => {
                self.frames[depth].is_lambda = true;
                self.lambdas += 1;
                self.open_every_value(node);
            }
            "instance_variable" | "class_variable" | "global_variable" | "constant" => {
                if !self.frames[depth - 1].is_target && self.is_suspect_name(node) && field != Some("left") {
                    self.open_every_value(node);
                }
            }
            "self" => {
                let parent = self.frames[depth - 1].node;
                if !(parent.kind() == "call" && self.find_own_method_name(parent).is_some()) {
                    self.open_every_value(node);
                }
            }
            "string" | "simple_symbol" | "delimited_symbol" => {
                // packagecloud's hash, by its name as a text.
                if self.frames[depth - 1].node.kind() == "element_reference"
                    && self.source.parse_ruby_key_name(node).as_deref() == Some(RAILS_HASH)
                {
                    self.open_every_value(node);
                }
            }
            "binary" => {
                let appends = node.child_by_field_name("operator").is_some_and(|one| one.kind() == "<<");
                if appends
                    && !node
                        .child_by_field_name("left")
                        .is_some_and(|left| self.is_unrelated_to_rails_hash(left))
                {
                    self.open_every_value(node);
                }
            }
            kind if is_harmless_syntax(kind) || self.is_parameter(depth) => {}
            _ => self.open_every_value(node),
        }
    }

    fn open_every_value(&mut self, node: Node<'tree>) {
        for key in 0..KEYS {
            self.add_opening(key, node, false);
        }
    }

    fn open_named_value(&mut self, hash: &str, key: String, node: Node<'tree>) {
        if let Some(ours) = find_setting_index(hash, &key) {
            self.add_opening(ours, node, true);
        } else {
            let value = ConfigAssignedValue::Expression;
            self.push_assignment(hash.to_owned(), key, value, (node, node), false);
        }
    }

    fn add_opening(&mut self, key: usize, node: Node<'tree>, is_named: bool) {
        if !self.definitions.is_empty() {
            return self.changing_methods.extend(self.definitions.iter().cloned());
        }
        self.effects.count += 1;
        let (line, offset) = (node.start_position().row + 1, node.start_byte());
        let openings = &mut self.effects.openings[key];
        // They come in the order of the file; of one place the first says it.
        if openings.last().is_none_or(|last| last.offset < offset || (is_named && !last.is_named)) {
            openings.push(ValueOpening { line, offset, is_named });
        }
    }
}

fn is_variable(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "identifier" | "instance_variable" | "class_variable" | "global_variable" | "constant"
    )
}

/// Which of our values a key of a hash is.
fn find_setting_index(hash: &str, key: &str) -> Option<usize> {
    CloudFrontSettingKey::ALL.iter().position(|ours| hash == RAILS_HASH && ours.setting_name() == key)
}

/// What the elements of elements are of: `a` in `a['b']['c']`.
fn find_root_object(mut node: Node<'_>) -> Node<'_> {
    while node.kind() == "element_reference"
        && let Some(object) = node.child_by_field_name("object")
    {
        node = object;
    }
    node
}
