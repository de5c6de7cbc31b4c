//! Follows packagecloud.rb statement by statement: which values each sets, may set, or leaves, and where the file may end.
//!
//! A plain assignment at the top of the file settles a value. Whatever isn't known to be harmless opens it again.

use std::collections::{HashMap, HashSet, VecDeque};

use tree_sitter::Node;

use crate::model::{
    packagecloud::settings::{CloudFrontSettingKey, RAILS_HASH},
    redact,
};

use super::{
    ConfigAssignedValue, ConfigAssignment, ConfigFile, edit,
    harmless::{
        is_exit_word, is_failing_exit_word, is_harmless_bare_call, is_harmless_method, is_harmless_syntax,
        is_reading_method, is_statement_list,
    },
    literals::{RubySource, is_end_marker_alone, list_syntax_child_nodes},
    state::{ConfigExitPoint, ExitValue, KEYS, SettingState, ValueOpening},
};

/// How much of a left-hand side is looked at for a secret's name, in bytes from its end.
const SECRET_NAME_BYTES_MAX: usize = 4096;

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

    /// Says what each value is where `exit` may end the file, and where a line would go that settles it.
    fn describe_exit_point(
        &self,
        exit: &PendingExit,
        openings: &[Vec<ValueOpening>; KEYS],
        statement: Node<'_>,
    ) -> ConfigExitPoint {
        let values = std::array::from_fn(|key| {
            let openings = &openings[key];
            let Some(last) = openings.last() else {
                let insert_offset =
                    Some(edit::find_insertion_start(self.source.bytes, statement.start_byte()));
                return ExitValue { state: self.states[key], insert_offset, is_top_level: true };
            };
            let own = openings.partition_point(|opening| opening.offset < exit.start)
                < openings.partition_point(|opening| opening.offset < exit.end);
            let assigned = exit.settled_before[key].filter(|_| !own);
            let open = assigned.is_none().then_some(ValueOpening { is_named: true, ..*last });
            ExitValue {
                state: SettingState { assigned, open },
                insert_offset: (!own).then_some(exit.start),
                is_top_level: false,
            }
        });
        ConfigExitPoint { line: exit.line, is_failure: exit.is_failure, values }
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
                if appends && !node.child_by_field_name("left").is_some_and(|left| self.is_other_data(left)) {
                    self.open_every_value(node);
                }
            }
            kind if is_harmless_syntax(kind) || self.is_parameter(depth) => {}
            _ => self.open_every_value(node),
        }
    }

    /// Whether a name is introduced rather than used.
    fn is_parameter(&self, depth: usize) -> bool {
        let kind = self.frames[depth - 1].node.kind();
        kind.ends_with("_parameters")
            || kind.ends_with("_parameter")
            || self.frames[depth].node.kind().ends_with("_parameter")
    }

    /// Whether what is appended to is surely none of packagecloud's values.
    fn is_other_data(&self, node: Node<'_>) -> bool {
        let root = find_root_object(node);
        root.kind() == "identifier"
            && !self.source.is_syntax_node_text(root, RAILS_HASH)
            && !self.is_suspect_name(root)
    }

    fn begin_method_definition(&mut self, node: Node<'tree>, depth: usize) {
        let name = node.child_by_field_name("name").map(|name| self.source.syntax_node_source_text(name));
        let name = name.unwrap_or_default();
        if name == RAILS_HASH || name == "method_missing" {
            self.open_every_value(node);
        }
        self.methods.insert(name.clone());
        self.definitions.push(name);
        self.frames[depth].is_definition = true;
    }

    fn is_suspect_name(&self, node: Node<'_>) -> bool {
        self.names.get(&self.source.syntax_node_source_text(node)).copied().unwrap_or(false)
    }

    /// `packagecloud_rails` as the file's hash, or `self.packagecloud_rails`.
    fn is_rails_hash(&self, node: Node<'_>) -> bool {
        match node.kind() {
            "identifier" => {
                self.source.is_syntax_node_text(node, RAILS_HASH) && !self.names.contains_key(RAILS_HASH)
            }
            "call" => self.find_own_method_name(node).as_deref() == Some(RAILS_HASH),
            _ => false,
        }
    }

    /// The name in `self.name`, without arguments.
    fn find_own_method_name(&self, call: Node<'_>) -> Option<String> {
        let receiver = call.child_by_field_name("receiver")?;
        let bare =
            call.child_by_field_name("arguments").is_none() && call.child_by_field_name("block").is_none();
        (receiver.kind() == "self" && bare).then(|| {
            call.child_by_field_name("method").map(|name| self.source.syntax_node_source_text(name))
        })?
    }

    fn visit_identifier(&mut self, node: Node<'tree>, field: Option<&'tree str>, depth: usize) {
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
    fn visit_bare_call(&mut self, node: Node<'tree>, name: &str) {
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
    fn is_method_among(&self, name: &str, methods: &HashSet<String>) -> bool {
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

    fn visit_call(&mut self, node: Node<'tree>, depth: usize) {
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
    fn record_named_changes(&mut self, call: Node<'tree>, name: &str) -> bool {
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

    fn visit_element_reference(&mut self, node: Node<'tree>, field: Option<&'tree str>, depth: usize) {
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

    fn visit_assignment(&mut self, node: Node<'tree>, depth: usize) {
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

    fn push_assignment(
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

    fn open_assignment_target(&mut self, left: Node<'tree>, at: Node<'tree>) {
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
    fn find_assignment_target(&self, left: Node<'_>) -> AssignmentTarget {
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
    fn note_assigned_name(&mut self, frame: &SyntaxFrame<'tree>) {
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

    fn record_external_url(&mut self, node: Node<'tree>, depth: usize) {
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

    /// `exit`, `return` and their like by themselves: nothing after it is run.
    fn is_unconditional_exit(&self, node: Node<'_>) -> bool {
        let word = match node.kind() {
            "return" => return true,
            "identifier" => self.source.syntax_node_source_text(node),
            "call" => {
                let receiver = node.child_by_field_name("receiver");
                if receiver.is_some_and(|one| one.kind() != "constant") {
                    return false;
                }
                node.child_by_field_name("method")
                    .map(|method| self.source.syntax_node_source_text(method))
                    .unwrap_or_default()
            }
            _ => return false,
        };
        is_exit_word(&word)
    }

    fn note_exit(&mut self, node: Node<'tree>, is_failure: bool) {
        if !self.definitions.is_empty() {
            return self.exiting_methods.extend(self.definitions.iter().cloned());
        }
        let statement = self.frames.last().map_or(1, |frame| frame.statement).max(1);
        let exit = PendingExit {
            line: node.start_position().row + 1,
            is_failure,
            start: self.frames[statement].node.start_byte(),
            end: self.frames[statement].node.end_byte(),
            settled_before: self.frames[statement - 1].settled_before,
        };
        // One line before a statement does for all the exits in it.
        match self.effects.exits.last_mut() {
            Some(last) if last.start == exit.start => last.is_failure &= is_failure,
            _ => self.effects.exits.push(exit),
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

    /// Takes up the secrets of a node: every string that a key with a secret's name is given, in whatever expression.
    fn collect_node_secrets(&mut self, depth: usize) {
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

    fn is_secret_name(&self, left: Node<'_>) -> bool {
        let range = left.byte_range();
        let start = range.start.max(range.end.saturating_sub(SECRET_NAME_BYTES_MAX));
        redact::is_secret_key_name(&String::from_utf8_lossy(&self.source.bytes[start..range.end]))
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
