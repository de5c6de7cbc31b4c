//! Lambda: the authenticator's function and its published versions, in us-east-1.
//!
//! A version is published only from what was just uploaded: by its SHA-256 and revision.

use super::{Cloud, Say};
use crate::model::{
    failure::Failure,
    names::Names,
    seen::{Function, FunctionVersion},
};

/// What the function runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionSettings<'a> {
    /// `nodejs24.x`.
    pub runtime: &'a str,
    /// `index.handler`.
    pub handler: &'a str,
    /// MiB.
    pub memory: i32,
    /// Seconds.
    pub timeout: i32,
}

impl Cloud {
    /// The function of our name, whoever's it is, with its versions.
    pub async fn function(&self, names: &Names) -> Result<Option<Function>, Failure> {
        todo!()
    }

    /// The function with this code and these settings as `$LATEST`, ready to be published.
    #[expect(clippy::too_many_arguments, reason = "each is a part of what the function is")]
    pub async fn ensure_function(
        &self,
        names: &Names,
        seen: Option<&Function>,
        role_arn: &str,
        settings: FunctionSettings<'_>,
        zip: &[u8],
        adopt: bool,
        say: Say<'_>,
    ) -> Result<Function, Failure> {
        todo!()
    }

    /// A version of `function` as `ensure_function` left it, Active; the one that holds the same already, where there is one.
    pub async fn publish(
        &self,
        names: &Names,
        function: &Function,
        description: &str,
        say: Say<'_>,
    ) -> Result<FunctionVersion, Failure> {
        todo!()
    }

    /// One version, by its ARN with its number.
    pub async fn function_version(&self, arn: &str) -> Result<Option<FunctionVersion>, Failure> {
        todo!()
    }
}
