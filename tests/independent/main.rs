//! What is not ours judges: package managers, an AWS emulator, the models of AWS's own SDK, Ruby and Node.js.

#![expect(clippy::too_many_lines, reason = "a journey is told in one piece")]

mod aws;
mod delivery;
mod edge;
mod edge_exhaustive;
mod forms;
mod markdown;
mod ruby;
mod status;
