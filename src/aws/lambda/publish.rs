//! Publishing a version, and waiting until it is Active: only then does CloudFront take it.
//!
//! Lambda answers with the last version where nothing changed since; that is never taken for a new one unheard.

use super::{ROLE_ASSUMABLE, conflict, read, what};
use crate::aws::{Cloud, Say, error, retry};
use crate::model::{
    aws::{
        evidence::{Function, FunctionVersion},
        names::Names,
    },
    run::failure::Failure,
};

const ACTIVE: retry::Wait = retry::Wait::new("the version to be active", 300, 2);

/// The published version that holds this code under this description.
fn standing<'a>(function: &'a Function, description: &str) -> Option<&'a FunctionVersion> {
    let right = |version: &&FunctionVersion| {
        version.description == description
            && version.code_sha256 == function.code_sha256
            && version.runtime == function.runtime
    };
    function.versions.iter().rev().find(right)
}

impl Cloud {
    /// A version of `function` as `ensure_function` left it, Active; the one that holds the same already, where
    /// there is one.
    pub async fn publish(
        &self,
        names: &Names,
        function: &Function,
        description: &str,
        say: Say<'_>,
    ) -> Result<FunctionVersion, Failure> {
        if let Some(found) = standing(function, description) {
            return self.await_active(&found.arn, say).await;
        }
        let mut made = self.publish_once(names, function, description, say).await?;
        if made.description != description {
            // The code is the last version's, under another description: `$LATEST` must differ to be published.
            let mark = || async {
                let asked = self
                    .lambda
                    .update_function_configuration()
                    .function_name(names.function())
                    .description(description)
                    .send()
                    .await;
                asked.map_err(error::of("lambda:UpdateFunctionConfiguration", what(names)))
            };
            retry::while_passing(ROLE_ASSUMABLE, say, conflict, mark).await?;
            self.await_ready(names, say).await?;
            let now = self.function(names).await?.filter(|now| now.code_sha256 == function.code_sha256);
            let now = now.ok_or_else(|| Failure::drifted(what(names), "its code was changed meanwhile"))?;
            made = self.publish_once(names, &now, description, say).await?;
        }
        self.await_active(&made.arn, say).await
    }

    async fn publish_once(
        &self,
        names: &Names,
        function: &Function,
        description: &str,
        say: Say<'_>,
    ) -> Result<FunctionVersion, Failure> {
        let publish = || async {
            let asked = self
                .lambda
                .publish_version()
                .function_name(names.function())
                .code_sha256(&function.code_sha256)
                .revision_id(&function.revision_id)
                .description(description)
                .send()
                .await;
            asked.map_err(error::of("lambda:PublishVersion", what(names)))
        };
        match retry::while_passing(ROLE_ASSUMABLE, say, conflict, publish).await {
            Ok(made) => read::version!(made)
                .ok_or_else(|| error::lacking("lambda:PublishVersion", what(names), "the version's number")),
            // The revision moved: by our own publishing, where its reply was lost; or by somebody.
            Err(failure) if error::is(&failure, "PreconditionFailedException") => {
                let now = self.function(names).await?;
                let found = now.as_ref().filter(|now| now.code_sha256 == function.code_sha256);
                let found = found.and_then(|now| standing(now, description)).cloned();
                found.ok_or_else(|| Failure::drifted(what(names), "it was changed since it was shown"))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn await_active(&self, arn: &str, say: Say<'_>) -> Result<FunctionVersion, Failure> {
        retry::until(ACTIVE, say, || async {
            match self.function_version(arn).await? {
                Some(version) if version.state == "Failed" => Err(read::unfit(arn, None)),
                Some(version) if matches!(version.state.as_str(), "Active" | "Inactive" | "") => {
                    Ok(Some(version))
                }
                _ => Ok(None),
            }
        })
        .await
    }
}
