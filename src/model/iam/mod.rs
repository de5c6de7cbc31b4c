//! IAM as data: which actions each step needs, and the policy documents.

pub mod access;
pub mod policy;
