//! The wizard in process: its real loop on a backend in memory, over a scripted engine and over the real one on a sandbox.

#![expect(clippy::too_many_lines, reason = "a journey is told in one piece")]

mod any_input;
mod behind_the_lines;
mod looks;
mod other_runs;
mod plain;
mod player;
mod pty;
mod redact;
mod rotation;
mod screens;
mod scripted;
mod terminal_face;
mod whole_run;
