//! (to come): the sandbox's iam.

use serde::{Deserialize, Serialize};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {}
