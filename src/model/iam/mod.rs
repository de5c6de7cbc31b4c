//! IAM as data: which actions each step needs, and the policy documents.

pub mod access;
pub mod least_privilege;
pub mod policy;
