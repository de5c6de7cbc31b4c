//! The role that S3 Batch Operations works as: made, found and kept right as the function's is.

use serde_json::Value;

use crate::aws::{Cloud, Say, iam::Wanted};
use crate::model::{
    aws::{evidence::Role, names::Names},
    iam::policy,
    run::failure::Failure,
};

impl Cloud {
    /// The role of S3 Batch Operations, whoever's it is.
    pub async fn batch_role(&self, names: &Names) -> Result<Option<Role>, Failure> {
        self.role_named(names, &names.batch_role()).await
    }

    /// The role, made where `seen` is none; trusted by jobs of this account and region alone; tagged.
    pub async fn ensure_batch_role(
        &self,
        names: &Names,
        seen: Option<&Role>,
        place: (&str, &str),
        boundary: Option<&str>,
        adopt: bool,
        say: Say<'_>,
    ) -> Result<Role, Failure> {
        let (account, region) = place;
        let ours = policy::batch_trust(account, region);
        let wanted = Wanted {
            name: names.batch_role(),
            description: "packagecloud-cloudfront: copies packages by S3 Batch Operations",
            trust: ours.clone(),
            mended: &|trust| {
                (!policy::carries(trust, &ours)).then(|| policy::merged_key_policy(trust, &ours))
            },
        };
        self.ensure_wanted(names, &wanted, seen, boundary, adopt, say).await
    }

    /// Its inline policy lets it copy this bucket's objects.
    pub async fn ensure_batch_policy(
        &self,
        names: &Names,
        role: &Role,
        say: Say<'_>,
    ) -> Result<Value, Failure> {
        self.ensure_inline(role, policy::batch_policy(names), say).await
    }
}
