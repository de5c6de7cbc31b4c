//! What the host's programs inherit of this process's environment: nothing of AWS's, and nothing that is this program's own.

use std::ffi::OsString;

use crate::model::packagecloud::ctl_command::is_private_variable_name;

/// Lists the variables that a program of the host is started without.
pub(in crate::host) fn list_private_variable_names() -> Vec<OsString> {
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| is_private_variable_name(&name.to_string_lossy()))
        .collect()
}
