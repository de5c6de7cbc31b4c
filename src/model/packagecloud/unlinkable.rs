//! Keys that no link can ever carry: how many of packagecloud's there are, and some of them by name.
//!
//! One rule decides, the edge's own (contract section 3); which keys a bucket holds is anybody's guess.

use serde::{Deserialize, Serialize};

use crate::model::url::token::can_link_carry_key;

/// Keys that are named, and how much of each.
const NAMED_KEYS_MAX: usize = 3;
const NAMED_KEY_CHARS_MAX: usize = 120;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlinkableKeys {
    count: u64,
    named: Vec<String>,
}

impl UnlinkableKeys {
    /// Counts `key` where no link can carry it.
    pub fn add_unlinkable_key(&mut self, key: &str) {
        if can_link_carry_key(key) {
            return;
        }
        self.count += 1;
        if self.named.len() < NAMED_KEYS_MAX {
            self.named.push(render_key_in_words(key));
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge_unlinkable_keys(&mut self, other: &Self) {
        self.count += other.count;
        let room = NAMED_KEYS_MAX.saturating_sub(self.named.len());
        self.named.extend(other.named.iter().take(room).cloned());
    }

    /// Renders what was counted, without a full stop; `None` where there is none.
    #[must_use]
    pub fn render_unlinkable_keys(&self) -> Option<String> {
        let named = self.named.join(", ");
        match self.count {
            0 => None,
            1 => Some(format!(
                "no link can ever carry the key {named}: the edge refuses a path {UNLINKABLE_PATHS}"
            )),
            count => Some(format!(
                "no link can ever carry {count} of the keys, such as {named}: the edge refuses a path {UNLINKABLE_PATHS}"
            )),
        }
    }
}

const UNLINKABLE_PATHS: &str = "with //, with . or .. between slashes, or with a control character";

/// Renders a key so that it can be shown anywhere: what doesn't print is escaped, and what is long is cut.
pub(super) fn render_key_in_words(key: &str) -> String {
    let shown: String = key.escape_debug().collect();
    match shown.char_indices().nth(NAMED_KEY_CHARS_MAX) {
        None => shown,
        Some((at, _)) => format!("{}…", &shown[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_counted_and_some_are_named_without_a_control_character() {
        let mut all = UnlinkableKeys::default();
        all.add_unlinkable_key("7/8/package_files/1.deb");
        assert_eq!(all.render_unlinkable_keys(), None);
        all.add_unlinkable_key("7/8/a\u{1b}[31m.deb");
        let said = all.render_unlinkable_keys().unwrap();
        assert!(said.starts_with("no link can ever carry the key 7/8/a\\u{1b}[31m.deb: "), "{said}");
        let mut more = UnlinkableKeys::default();
        for number in 0..9 {
            more.add_unlinkable_key(&format!("7/8//{number}{}", "x".repeat(900)));
        }
        all.merge_unlinkable_keys(&more);
        let said = all.render_unlinkable_keys().unwrap();
        assert!(said.starts_with("no link can ever carry 10 of the keys, such as 7/8/a"), "{said}");
        assert!(said.len() < 600 && said.matches("7/8//").count() == 2, "{said}");
    }
}
