//! The file that `--out` names: replaced as a whole, so that a collector never reads half of one.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use crate::model::failure::Failure;

/// A collector runs as another user.
const MODE: u32 = 0o644;

/// Writes `text` to a temporary file beside `path`, then takes that one's place.
///
/// # Errors
/// Fails where the directory can't be written to; what stood there stays.
pub(super) fn replace_status_file(path: &Path, text: &str) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // It begins with a dot and ends otherwise than a collector's files: what is left of one that was killed is read by nobody.
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_readable_file(&beside, text).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        Failure::new_generic_failure(
            path.display().to_string(),
            format!("it could not be written: {error}"),
            "name with --out a file in a directory that this user may write to",
        )
    })
}

fn write_readable_file(path: &Path, text: &str) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(text.as_bytes())?;
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_replaced_as_a_whole_and_everybody_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.prom");
        for text in ["one\n", "two\n"] {
            replace_status_file(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        let failure = replace_status_file(&dir.path().join("no/status.prom"), "x").unwrap_err();
        assert!(failure.next.contains("--out"), "{failure:?}");
    }
}
