//! Whose a resource is, and what that allows: ours is ours, another install's is refused, an unmarked one is asked about.

use crate::model::{
    aws::{evidence::Ownership, names::Names},
    run::{
        answers::Answers,
        failure::Failure,
        plan::{Ask, Consent},
    },
};

/// A resource that could be adopted: what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmarked(String);

/// Nothing to ask where it is ours; what to ask about where it carries no marker.
///
/// # Errors
/// Where it is another install's.
pub(crate) fn adoption(
    ownership: &Ownership,
    what: &str,
    name: &str,
    names: &Names,
) -> Result<Option<Unmarked>, Failure> {
    match ownership {
        Ownership::Ours => Ok(None),
        Ownership::Unmarked => Ok(Some(Unmarked(format!("{what} {name}")))),
        Ownership::Other(bucket) => Err(Failure::other(
            format!("{what} {name}"),
            format!("it belongs to the install of bucket {bucket}, and this one is of {}", names.bucket()),
            "give this install names of its own with --name-suffix, for example --name-suffix two; nothing was changed",
        )),
    }
}

/// All that one stage would adopt, asked in one question.
#[derive(Debug, Default)]
pub(crate) struct Adoption(Vec<String>);

impl Adoption {
    /// Whether it would be adopted: then it gets our marker at least, however right it is otherwise.
    pub(crate) fn consider(&mut self, unmarked: Option<Unmarked>, changed: &str) -> bool {
        let Some(Unmarked(what)) = unmarked else { return false };
        self.0.push(format!("{what} (changed: {changed})"));
        true
    }

    pub(crate) fn ask(&self, answers: &Answers, names: &Names) -> Option<Ask> {
        if self.0.is_empty() || answers.consents.given(Consent::Adopt, names.bucket()) {
            return None;
        }
        Some(Ask {
            consent: Consent::Adopt,
            question: format!(
                "These were made by somebody else, packagecloud-ctl perhaps, and would be taken over: {}. Take them over?",
                self.0.join(", ")
            ),
        })
    }
}
