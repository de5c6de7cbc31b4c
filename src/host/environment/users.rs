//! Users of this machine as /etc/passwd has them; one whom only a directory service knows isn't found here.

use std::path::PathBuf;

/// A field of the line of the user with this number.
fn read_passwd_field(uid: u32, nth: usize) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
    line.split(':').nth(nth).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Reads a user's name by the user's number.
#[must_use]
pub fn find_user_name_by_uid(uid: u32) -> Option<String> {
    read_passwd_field(uid, 0)
}

/// Reads a user's home directory by the user's number.
#[must_use]
pub fn find_home_dir_of_uid(uid: u32) -> Option<PathBuf> {
    read_passwd_field(uid, 5).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_a_home() {
        assert_eq!(
            (find_user_name_by_uid(0).as_deref(), find_home_dir_of_uid(0)),
            (Some("root"), Some(PathBuf::from("/root")))
        );
        assert_eq!(find_user_name_by_uid(4_294_967_290), None);
    }
}
