//! IAM: the role that the function runs as, its inline policy, and the service-linked roles of Lambda@Edge.
//!
//! A role without our marker is changed only where the caller says `adopt`.

use serde_json::Value;

use super::{Cloud, Say};
use crate::model::{failure::Failure, names::Names, seen::Role};

impl Cloud {
    /// The role of our name, whoever's it is.
    pub async fn role(&self, names: &Names) -> Result<Option<Role>, Failure> {
        todo!()
    }

    /// The role, made where `seen` is none; trusted by lambda and edgelambda; tagged.
    pub async fn ensure_role(
        &self,
        names: &Names,
        seen: Option<&Role>,
        boundary: Option<&str>,
        adopt: bool,
        say: Say<'_>,
    ) -> Result<Role, Failure> {
        todo!()
    }

    /// The inline policy of our name on the role of our name is `model::policy::role_policy`.
    pub async fn ensure_role_policy(
        &self,
        names: &Names,
        role: &Role,
        key_arn: &str,
        account: &str,
        say: Say<'_>,
    ) -> Result<Value, Failure> {
        todo!()
    }

    /// The two service-linked roles that Lambda@Edge needs once in an account.
    pub async fn ensure_service_linked_roles(&self, say: Say<'_>) -> Result<(), Failure> {
        todo!()
    }
}
