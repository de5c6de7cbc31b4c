//! Whose a resource is, and what that allows: ours is ours, another install's is refused, an unmarked one is asked about.

use crate::model::{
    aws::{account::ResourceOwnership, cloudfront::CloudFrontDistribution, names::ResourceNames},
    failure::Failure,
    run::{
        answers::OperatorAnswers,
        plan::{PlanConfirmationQuestion, RequiredConsent},
    },
};

/// Returns whether this install made it, or adopted it.
pub(crate) fn is_our_distribution(distribution: &CloudFrontDistribution, names: &ResourceNames) -> bool {
    distribution.ownership == ResourceOwnership::Ours
        && distribution.comment == names.distribution_and_identity_comment()
}

/// A resource that could be adopted: what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnmarkedAwsResource(String);

/// Returns nothing to ask where it is ours, and what to ask about where it carries no marker.
///
/// # Errors
/// Where it is another install's.
pub(crate) fn require_resource_ours_or_unmarked(
    ownership: &ResourceOwnership,
    what: &str,
    name: &str,
    names: &ResourceNames,
) -> Result<Option<UnmarkedAwsResource>, Failure> {
    match ownership {
        ResourceOwnership::Ours => Ok(None),
        ResourceOwnership::Unmarked => Ok(Some(UnmarkedAwsResource(format!("{what} {name}")))),
        ResourceOwnership::Other(bucket) => Err(Failure::new_generic_failure(
            format!("{what} {name}"),
            format!(
                "it belongs to the install of bucket {bucket}, and this one is of {}",
                names.bucket_name()
            ),
            // The suffix of this run is taken by what was just found.
            format!(
                "give this install names of its own with --name-suffix, for example --name-suffix {}; nothing was changed",
                if names.name_suffix_text() == Some("two") { "three" } else { "two" }
            ),
        )),
    }
}

/// All that one stage would adopt, asked in one question.
#[derive(Debug, Default)]
pub(crate) struct ResourceAdoptionList(Vec<String>);

impl ResourceAdoptionList {
    /// Adds it, and returns whether it would be adopted: then it gets our marker at least, however right it is otherwise.
    pub(crate) fn add_unmarked_resource(
        &mut self,
        unmarked: Option<UnmarkedAwsResource>,
        changed: &str,
    ) -> bool {
        let Some(UnmarkedAwsResource(what)) = unmarked else { return false };
        self.0.push(format!("{what} (changed: {changed})"));
        true
    }

    /// Asks about all of them at once, unless that was said yes to.
    pub(crate) fn build_adoption_confirmation(
        &self,
        answers: &OperatorAnswers,
        names: &ResourceNames,
    ) -> Option<PlanConfirmationQuestion> {
        if self.0.is_empty() || answers.consents.has_consent(RequiredConsent::Adopt, names.bucket_name()) {
            return None;
        }
        Some(PlanConfirmationQuestion {
            consent: RequiredConsent::Adopt,
            question: format!(
                "These were made by somebody else, packagecloud-ctl perhaps, and would be taken over: {}. Take them over?",
                self.0.join(", ")
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_that_is_taken_is_never_the_example() {
        let proposed = |suffix: &str| {
            let names = ResourceNames::new("shop", &suffix.parse().unwrap());
            let other = ResourceOwnership::Other("another".to_owned());
            require_resource_ours_or_unmarked(&other, "role", "r", &names).unwrap_err().next
        };
        assert!(proposed("staging").contains("for example --name-suffix two;"));
        assert!(proposed("two").contains("for example --name-suffix three;"));
    }
}
