//! The origin access identity, and the origin access control: how S3 knows that CloudFront asks.
//!
//! The identity is ours by its Comment, the control by its name and Description.

use crate::{
    cloud::Cloud,
    model::{
        failure::Failure,
        names::Names,
        seen::{OriginAccessControl, OriginAccessIdentity},
    },
};

impl Cloud {
    pub async fn identity(&self, names: &Names) -> Result<Option<OriginAccessIdentity>, Failure> {
        todo!()
    }

    pub async fn ensure_identity(&self, names: &Names) -> Result<OriginAccessIdentity, Failure> {
        todo!()
    }

    pub async fn control(&self, names: &Names) -> Result<Option<OriginAccessControl>, Failure> {
        todo!()
    }

    pub async fn ensure_control(&self, names: &Names) -> Result<OriginAccessControl, Failure> {
        todo!()
    }
}
