//! Making a distribution, changing one, and waiting until the edge has it.
//!
//! A create whose reply was lost is looked up, never sent again; an update re-applies its intent to what stands now.

use crate::{
    cloud::{Cloud, Intent, Say, Shape},
    model::{failure::Failure, names::Names, seen::Distribution},
};

impl Cloud {
    /// A distribution of ours, tagged, enabled; made, or found where a reply was lost.
    pub async fn create_distribution(
        &self,
        names: &Names,
        shape: &Shape<'_>,
        say: Say<'_>,
    ) -> Result<Distribution, Failure> {
        todo!()
    }

    /// Brings the distribution to `intent`; writes nothing where it is there already. `etag` is what was seen: a
    /// configuration that moved since is `Drifted`.
    pub async fn associate(
        &self,
        names: &Names,
        id: &str,
        etag: &str,
        intent: &Intent<'_>,
        adopt: bool,
        say: Say<'_>,
    ) -> Result<Distribution, Failure> {
        todo!()
    }

    /// Waits until the distribution is Deployed, for 60 minutes at most.
    pub async fn wait_deployed(
        &self,
        names: &Names,
        id: &str,
        say: Say<'_>,
    ) -> Result<Distribution, Failure> {
        todo!()
    }
}
