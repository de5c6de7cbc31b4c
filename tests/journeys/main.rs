//! What operators do, by the real binary: commands, a wizard on a terminal, hosts over ssh, and all that goes wrong on the way.

mod bad_input;
mod commands;
mod credentials;
mod dropped_line;
mod full_disk;
mod hosts;
mod reindex;
mod terminal;
