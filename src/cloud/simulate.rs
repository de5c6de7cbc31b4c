//! What IAM's simulation says of a principal: a named check for each action.
//!
//! It is advice: what can't be simulated is unknown, never denied.

use super::Cloud;
use crate::model::{access::Need, check::Check, failure::Failure};

impl Cloud {
    /// One check for each need, named by its action, in the order given. `principal` is the caller's ARN.
    pub async fn simulate(&self, principal: &str, needs: &[Need]) -> Result<Vec<Check>, Failure> {
        todo!()
    }
}
