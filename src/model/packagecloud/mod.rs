//! packagecloud as data: its configuration file, our four settings in it, and its objects in S3.

pub mod config_file;
pub mod ctl_command;
pub mod object;
pub mod oversized;
pub mod path_cache;
pub mod running_config;
pub mod settings;
pub mod snippet;
pub mod unlinkable;
