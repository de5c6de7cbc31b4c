//! Files that are made as root in the home of whoever used sudo belong to that user in the end.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, lchown},
    path::{Path, PathBuf},
};

/// Gives what root made below some places to whoever used sudo, when it is dropped.
#[must_use]
#[derive(Debug, Default)]
pub struct OwnershipRestorer {
    to: Option<(u32, u32)>,
    places: Vec<PathBuf>,
}

impl OwnershipRestorer {
    /// Takes of `places` those that lie in a directory of the user who used sudo; none where that isn't how root came
    /// here.
    pub fn new_restorer_for_sudo_user(places: impl IntoIterator<Item = PathBuf>) -> Self {
        let id = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
        if !rustix::process::geteuid().is_root() {
            return Self::default();
        }
        match (id("SUDO_UID"), id("SUDO_GID")) {
            (Some(user), Some(group)) => Self::new_ownership_restorer_for_user(user, group, places),
            _ => Self::default(),
        }
    }

    fn new_ownership_restorer_for_user(
        user: u32,
        group: u32,
        places: impl IntoIterator<Item = PathBuf>,
    ) -> Self {
        let theirs = |place: &PathBuf| {
            let standing = place.ancestors().find(|above| above.exists());
            standing.and_then(|above| fs::metadata(above).ok()).is_some_and(|above| above.uid() == user)
        };
        // What is missing above a place is made with it.
        let highest = |place: PathBuf| {
            place.ancestors().take_while(|above| !above.exists()).last().map_or(place.clone(), Path::to_owned)
        };
        let places = places.into_iter().filter(|_| user != 0).filter(theirs).map(highest).collect();
        Self { to: Some((user, group)), places }
    }
}

impl Drop for OwnershipRestorer {
    fn drop(&mut self) {
        if let Some(to) = self.to {
            self.places.iter().for_each(|place| change_owner_recursively(place, to));
        }
    }
}

/// A link stays root's: what it leads to isn't in this place.
fn change_owner_recursively(path: &Path, to: (u32, u32)) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    if meta.uid() == 0 && (meta.is_dir() || meta.is_file() && meta.nlink() == 1) {
        // Where it can't be given, it stays root's.
        let _ = lchown(path, Some(to.0), Some(to.1));
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            change_owner_recursively(&entry.path(), to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_made_in_a_users_directory_is_given_to_that_user() {
        if !rustix::process::geteuid().is_root() {
            // As another user nothing can be given away, and nothing is made as root.
            assert!(OwnershipRestorer::new_restorer_for_sudo_user([PathBuf::from("/")]).to.is_none());
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (home, roots) = (dir.path().join("home"), dir.path().join("roots"));
        fs::create_dir(&home).unwrap();
        fs::create_dir(&roots).unwrap();
        lchown(&home, Some(20717), Some(20718)).unwrap();
        let state = home.join("a/state");
        let given = OwnershipRestorer::new_ownership_restorer_for_user(
            20717,
            20718,
            [state.clone(), roots.join("state"), home.join("log")],
        );
        for path in [&state, &roots.join("state")] {
            fs::create_dir_all(path).unwrap();
            fs::write(path.join("answers.json"), "").unwrap();
        }
        fs::write(home.join("log"), "").unwrap();
        std::os::unix::fs::symlink(roots.join("state/answers.json"), state.join("link")).unwrap();
        drop(given);
        let owner = |path: &Path| fs::symlink_metadata(path).map(|meta| (meta.uid(), meta.gid())).unwrap();
        for path in [home.join("a"), state.clone(), state.join("answers.json"), home.join("log")] {
            assert_eq!(owner(&path), (20717, 20718), "{}", path.display());
        }
        for path in [roots.join("state"), roots.join("state/answers.json"), state.join("link")] {
            assert_eq!(owner(&path), (0, 0), "{}", path.display());
        }
    }
}
