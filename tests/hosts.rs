//! packagecloud's hosts, reached over a real sshd on loopback: one or two web nodes, each with its own /etc/packagecloud in a mount namespace.
//!
//! These need root, as in CI: each node's sshd lives in a namespace of its own. AWS is a served sandbox, packagecloud-ctl a script.

mod hosts {
    #[expect(dead_code, reason = "the terminal's own tests use all of it")]
    #[path = "../terminal/screen.rs"]
    pub mod screen;

    pub mod evenings;
    pub mod farm;
    pub mod kept;
    pub mod killed;
    pub mod live;
    pub mod managed;
    pub mod node;
    pub mod nodes;
    pub mod refused;
    pub mod site;
    pub mod sudo;
    pub mod wizard;
}
