//! Where the file may end: each `exit` and `return`, what holds there, and what isn't run after it.

use tree_sitter::Node;

use super::{PendingExit, StatementReader};
use crate::model::packagecloud::config_file::{
    edit,
    harmless::is_exit_word,
    state::{ConfigExitPoint, KEYS, SettingAtExitPoint, SettingState, ValueOpening},
};

impl<'tree> StatementReader<'_, 'tree> {
    /// Says what each value is where `exit` may end the file, and where a line would go that settles it.
    pub(super) fn describe_exit_point(
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
                return SettingAtExitPoint { state: self.states[key], insert_offset, is_top_level: true };
            };
            let own = openings.partition_point(|opening| opening.offset < exit.start)
                < openings.partition_point(|opening| opening.offset < exit.end);
            let assigned = exit.settled_before[key].filter(|_| !own);
            let open = assigned.is_none().then_some(ValueOpening { is_named: true, ..*last });
            SettingAtExitPoint {
                state: SettingState { assigned, open },
                insert_offset: (!own).then_some(exit.start),
                is_top_level: false,
            }
        });
        ConfigExitPoint { line: exit.line, is_failure: exit.is_failure, values }
    }

    /// `exit`, `return` and their like by themselves: nothing after it is run.
    pub(super) fn is_unconditional_exit(&self, node: Node<'_>) -> bool {
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

    /// Notes that the file may end at `node`; in a method, that the method ends it.
    pub(super) fn note_exit(&mut self, node: Node<'tree>, is_failure: bool) {
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
}
