//! AWS, and the web beside it.

pub mod web;
