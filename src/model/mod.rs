//! The nouns and the rules: pure values that every other layer speaks in; nothing here waits, reads a clock or touches the world.

pub mod aws;
pub mod display_charset;
pub mod display_text;
pub mod failure;
pub mod iam;
pub mod markdown;
pub mod packagecloud;
pub mod prices;
pub mod redact;
pub mod run;
pub mod secret;
pub mod status;
pub mod url;
