//! Where packagecloud, this program's state and the system's programs lie on a host.

/// Where packagecloud.rb lies, unless it is said otherwise.
pub const DEFAULT_CONFIG_PATH: &str = "/etc/packagecloud/packagecloud.rb";

/// Where programs lie that `sudo`, or a session without a terminal, may have left out of `PATH`.
pub(super) const USUAL_PROGRAM_DIRS: [&str; 7] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/packagecloud/bin"];

/// Where the state lies that root keeps.
pub(super) const ROOT_STATE_DIR: &str = "/var/lib/packagecloud-cloudfront";
