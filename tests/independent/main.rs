//! What is not ours judges: package managers, an AWS emulator, the models of AWS's own SDK, Ruby and Node.js.

mod aws;
mod delivery;
mod edge;
mod ruby;
