//! What the command `invalidate` needs beside all else. No goal needs it, so `check --policy` prints it apart: whoever doesn't want it leaves that statement out.

use super::{RequiredPermission, table::PermissionTable};
use crate::model::run::goal::{RunStage, StageStep};

/// Returns what is needed to have the edges forget, and to see that they have.
#[must_use]
pub fn list_invalidation_permissions(account: &str) -> Vec<RequiredPermission> {
    let mut table = PermissionTable::default();
    table.add_required_actions(
        (RunStage::Invalidate, StageStep::Invalidation),
        &format!("arn:aws:cloudfront::{account}:distribution/*"),
        &["cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"],
    );
    table.into_permissions()
}
