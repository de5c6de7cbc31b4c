//! What the logs of the function's instances tell of links by an earlier secret.

use crate::model::failure::Failure;

/// What was seen, region by region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierSecretSightings {
    /// The regions in which an earlier secret has accepted a link, and when first, in Unix seconds.
    pub seen: Vec<(String, u64)>,
    /// Regions whose logs tell of none.
    pub silent_regions: usize,
    /// Regions whose logs could not be asked.
    pub unasked_regions: usize,
    /// Why the first of those could not.
    pub unasked: Option<Failure>,
}
