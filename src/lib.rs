//! packagecloud-cloudfront: CloudFront for packagecloud:enterprise, set up step by step; this file is the map of its layers.
//!
//! `model` holds the nouns and the rules, pure: no clock, no I/O, no async. `aws`, `host` and `edge` are the
//! adapters: AWS, the machine with packagecloud.rb on it, and the Lambda@Edge bundle. `engine` knows two verbs,
//! `look` and `apply`, over them. `wizard` is a pure value that folds messages into screens and asks for effects.
//! `tui` and `cli` are the faces: they own their loop, perform effects and show events. `sandbox` stands beside:
//! an AWS, a CloudFront and a packagecloud in this process, behind the SDK's HTTP connector. `app` puts them together:
//! it runs one command line, on this host or in a sandbox; `main.rs` only starts it and ends the process.
//!
//! Which layer may use which is held by `tests/layers`. `src/README.md` has the rooms of each layer, what must always
//! hold in it, where to change what, and what was refused and why.

pub mod app;
pub mod args;
pub mod aws;
pub mod cli;
pub mod edge;
pub mod engine;
pub mod host;
pub mod model;
pub mod plain;
pub mod sandbox;
pub mod tui;
pub mod wizard;
