//! AWS as data: the names of what is made, and what was observed.

pub mod evidence;
pub mod names;
