//! packagecloud's hosts, reached over a real sshd on loopback: one or two web nodes, each with its own /etc/packagecloud in a mount namespace.
//!
//! These need root, as in CI: each node's sshd lives in a namespace of its own. AWS is a served sandbox, packagecloud-ctl a script.

mod cluster;
mod containers;
mod file_attributes;
mod killed;
mod live;
mod managed;
mod node;
mod refused;
mod rotation;
mod site;
mod status;
mod sudo;
mod two_nodes;
mod whole_runs;
mod wizard;
