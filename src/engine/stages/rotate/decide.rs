//! Which secret every node shall hold, and what of that is still to be done: decided by fingerprints alone, from what stands.

use crate::model::aws::rotation::RotationNodeEvidence;

/// What a rotation is decided by.
pub(super) struct RotationFacts<'a> {
    /// What the edge accepts, in the order of the associated version: a rotation's publishes the new one first.
    pub accepted: &'a [String],
    pub nodes: &'a [RotationNodeEvidence],
    /// The new one, as the function's tag names it.
    pub marked: Option<&'a str>,
    /// The new one, as it is kept here until a node holds it.
    pub kept: Option<&'a str>,
    /// Whether packagecloud's links were seen: they judge a node whose file a configuration client writes.
    pub are_links_seen: bool,
}

/// Which secret every node shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedSecret {
    /// One that isn't made yet.
    Fresh,
    /// The one of a rotation that is in progress, by its fingerprint.
    Begun(String),
    /// The one of a rotation that every node has followed: the one before is to be finished first.
    Unfinished(String),
    /// The edge accepts it, and only a node that can't be reached may hold it.
    OutOfReach(String),
}

impl RotationFacts<'_> {
    fn lists_held_fingerprints(&self) -> Vec<&str> {
        let mut held = Vec::new();
        for fingerprint in self.nodes.iter().filter_map(|node| node.fingerprint.as_deref()) {
            if !held.contains(&fingerprint) {
                held.push(fingerprint);
            }
        }
        held
    }

    /// Returns the node whose links the edge refuses, or would: it comes before any rotation.
    pub(super) fn find_node_with_refused_secret(&self) -> Option<&RotationNodeEvidence> {
        self.nodes.iter().find(|node| {
            let is_refused = |one: &String| !self.accepted.contains(one);
            let is_judged_by_file = !(node.is_managed && self.are_links_seen);
            node.is_on && is_judged_by_file && node.fingerprint.as_ref().is_some_and(is_refused)
        })
    }

    /// Chooses the secret that every node shall hold.
    pub(super) fn choose_wanted_secret(&self) -> WantedSecret {
        let held = self.lists_held_fingerprints();
        let accepts = |one: &str| self.accepted.iter().any(|known| known == one);
        let marked =
            self.marked.filter(|one| (held.contains(one) && accepts(one)) || self.kept == Some(*one));
        // Two that the edge accepts both are a rotation in progress, whoever began it and how.
        let newest = || {
            let known: Vec<&String> =
                self.accepted.iter().filter(|one| held.contains(&one.as_str())).collect();
            (known.len() > 1).then(|| known[0].as_str())
        };
        let Some(wanted) = marked.or(self.kept).or_else(newest) else {
            // Where the edge accepts it alone that rotation is over: whoever asks now wants another secret.
            let is_begun = self.accepted.len() > 1 && self.nodes.iter().any(|node| node.is_down);
            return match self.marked.filter(|one| is_begun && accepts(one)) {
                Some(marked) => WantedSecret::OutOfReach(marked.to_owned()),
                None => WantedSecret::Fresh,
            };
        };
        let is_held = |node: &RotationNodeEvidence| node.fingerprint.as_deref() == Some(wanted);
        // A node that is down keeps no rotation open that the edge has ended.
        if accepts(wanted)
            && self.accepted.len() == 1
            && self.nodes.iter().all(|node| node.is_down || is_held(node))
        {
            return WantedSecret::Fresh;
        }
        let is_everywhere = self.nodes.iter().all(|node| !node.is_down && is_held(node));
        match (is_everywhere, self.accepted.len()) {
            (true, 0 | 1) => WantedSecret::Fresh,
            (true, _) if accepts(wanted) => WantedSecret::Unfinished(wanted.to_owned()),
            _ => WantedSecret::Begun(wanted.to_owned()),
        }
    }

    /// Lists what a new version leaves out: what no node holds and nobody signs with, each node seen. `signing` is what
    /// packagecloud's links were seen to be signed with; `None` where that isn't known of each: then nothing is left out.
    pub(super) fn list_secrets_to_drop(
        &self,
        wanted: Option<&str>,
        signing: Option<&[String]>,
    ) -> Vec<String> {
        if self.nodes.iter().any(|node| node.is_down) {
            return Vec::new();
        }
        let held = self.lists_held_fingerprints();
        let signs = |one: &String| signing.is_none_or(|signing| signing.contains(one));
        let is_needed =
            |one: &&String| wanted == Some(one.as_str()) || held.contains(&one.as_str()) || signs(one);
        self.accepted.iter().filter(|one| !is_needed(one)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprints(names: &str) -> Vec<String> {
        names.chars().map(|name| name.to_string()).collect()
    }

    /// A node by one letter: the secret that it holds; `-` has none, `!` is down; a capital is off.
    fn list_nodes(names: &str) -> Vec<RotationNodeEvidence> {
        let node = |name: char| RotationNodeEvidence {
            path: name.to_string(),
            fingerprint: name.is_ascii_alphabetic().then(|| name.to_ascii_lowercase().to_string()),
            is_on: name.is_ascii_lowercase(),
            is_managed: false,
            is_down: name == '!',
        };
        names.chars().map(node).collect()
    }

    #[test]
    fn what_stands_tells_which_secret_is_wanted() {
        use WantedSecret::{Begun, Fresh, OutOfReach, Unfinished};
        for (accepted, nodes, marked, kept, wanted) in [
            // Nothing of a rotation.
            ("o", "oo", None, None, Fresh),
            ("o", "o!", None, None, Fresh),
            // Broken off before, or after, the edge accepts it.
            ("o", "oo", None, Some("n"), Begun("n".into())),
            ("o", "oo", Some("n"), Some("n"), Begun("n".into())),
            ("no", "oo", Some("n"), Some("n"), Begun("n".into())),
            // What was made is lost: another is made.
            ("no", "oo", Some("n"), None, Fresh),
            ("o", "oo", Some("n"), None, Fresh),
            ("no", "o!", Some("n"), None, OutOfReach("n".into())),
            // On its way.
            ("no", "no", Some("n"), None, Begun("n".into())),
            ("no", "n!", Some("n"), None, Begun("n".into())),
            ("no", "nO", Some("n"), None, Begun("n".into())),
            ("no", "n-", Some("n"), None, Begun("n".into())),
            // The tag is lost, or is of a rotation before: the version's order tells.
            ("no", "on", None, None, Begun("n".into())),
            ("no", "on", Some("x"), None, Begun("n".into())),
            // Every node has it.
            ("no", "nn", Some("n"), None, Unfinished("n".into())),
            ("no", "nN", Some("n"), None, Unfinished("n".into())),
            ("no", "nn", Some("n"), Some("n"), Unfinished("n".into())),
            // Finished.
            ("n", "nn", Some("n"), None, Fresh),
            ("n", "n!", Some("n"), None, Fresh),
            ("n", "!!", Some("n"), None, Fresh),
            // A roll-back took every node to the one before.
            ("no", "oo", Some("n"), None, Fresh),
        ] {
            let (accepted, nodes) = (fingerprints(accepted), list_nodes(nodes));
            let facts =
                RotationFacts { accepted: &accepted, nodes: &nodes, marked, kept, are_links_seen: true };
            assert_eq!(facts.choose_wanted_secret(), wanted, "{accepted:?} {nodes:?} {marked:?} {kept:?}");
        }
    }

    #[test]
    fn a_node_whose_links_are_refused_comes_first() {
        for (accepted, nodes, found) in
            [("no", "no", None), ("o", "ox", Some("x")), ("o", "oX", None), ("", "o", Some("o"))]
        {
            let (accepted, nodes) = (fingerprints(accepted), list_nodes(nodes));
            let facts = RotationFacts {
                accepted: &accepted,
                nodes: &nodes,
                marked: None,
                kept: None,
                are_links_seen: true,
            };
            assert_eq!(facts.find_node_with_refused_secret().map(|node| node.path.as_str()), found);
        }
    }

    #[test]
    fn a_node_under_a_configuration_client_is_judged_by_its_links_where_they_are_seen() {
        let accepted = fingerprints("o");
        let mut nodes = list_nodes("x");
        nodes[0].is_managed = true;
        for (are_links_seen, found) in [(true, None), (false, Some("x"))] {
            let (accepted, nodes) = (&accepted, &nodes);
            let facts = RotationFacts { accepted, nodes, marked: None, kept: None, are_links_seen };
            assert_eq!(facts.find_node_with_refused_secret().map(|node| node.path.as_str()), found);
        }
    }

    #[test]
    fn only_what_nobody_holds_or_signs_with_is_left_out() {
        for (accepted, nodes, marked, wanted, signing, dropped) in [
            ("no", "oo", Some("n"), None, None, ""),
            ("no", "oo", Some("n"), None, Some("o"), "n"),
            ("no", "oo", Some("n"), None, Some("no"), ""),
            ("no", "oo", Some("n"), Some("n"), None, ""),
            ("xo", "oo", Some("n"), None, None, ""),
            ("xo", "oo", None, None, Some("o"), "x"),
            ("xo", "oo", None, None, Some("xo"), ""),
            ("xo", "o!", None, None, Some("o"), ""),
            ("no", "nn", Some("n"), Some("n"), Some("n"), "o"),
        ] {
            let (accepted, nodes) = (fingerprints(accepted), list_nodes(nodes));
            let facts = RotationFacts {
                accepted: &accepted,
                nodes: &nodes,
                marked,
                kept: None,
                are_links_seen: true,
            };
            let signing = signing.map(fingerprints);
            let found = facts.list_secrets_to_drop(wanted, signing.as_deref());
            assert_eq!(found, fingerprints(dropped), "{accepted:?} {nodes:?} {signing:?}");
        }
    }
}
