//! What operators do, by the real binary: commands, a wizard on a terminal, hosts over ssh, and all that goes wrong on the way.

#![expect(clippy::too_many_lines, reason = "a journey is told in one piece")]

mod bad_input;
mod commands;
mod credentials;
mod dropped_line;
mod full_disk;
mod hosts;
mod pictures;
mod reindex;
mod terminal;
