//! This machine: its name, and what tells it from another of the same name.

use std::fs;

use sha2::{Digest as _, Sha256};

/// Returns this machine's name, as `uname -n` says it.
pub(crate) fn read_machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns this machine's name and eight hex digits of its machine-id's hash, as `web1/3fa21c0d`; the name alone where it
/// has no machine-id, as in many containers.
///
/// The id itself is kept to the machine, as machine-id(5) asks: nobody finds it from these digits.
pub(crate) fn read_machine_identity() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    join_machine_identity(&read_machine_name(), &id)
}

fn join_machine_identity(name: &str, id: &str) -> String {
    let id = id.trim();
    // systemd writes "uninitialized" before the first boot is over.
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return name.to_owned();
    }
    let digest = Sha256::new().chain_update("packagecloud-cloudfront ").chain_update(id).finalize();
    format!("{name}/{}", hex::encode(&digest[..4]))
}

#[cfg(test)]
mod tests {
    use super::join_machine_identity;

    #[test]
    fn two_machines_of_one_name_differ_and_the_id_is_not_told() {
        let (one, other) = ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdee");
        let first = join_machine_identity("web1", &format!("{one}\n"));
        assert_eq!(first, join_machine_identity("web1", one));
        assert_ne!(first, join_machine_identity("web1", other));
        assert!(first.starts_with("web1/") && first.len() == "web1/".len() + 8, "{first}");
        assert!(!one.contains(&first["web1/".len()..]), "{first}");
        for none in ["", "uninitialized\n", "xyz"] {
            assert_eq!(join_machine_identity("web1", none), "web1", "{none}");
        }
    }
}
