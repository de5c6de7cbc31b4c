//! Files that are made as root in the home of whoever used sudo belong to that user in the end.
//!
//! That user may swap a directory for a link at any moment, so nothing is looked up by its path twice: directories are
//! held open, and each name below them is opened without following a link. What was root's before this run stays root's.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Statx, StatxFlags, Uid};

/// Deeper than this nothing of ours lies.
const TREE_DEPTH_MAX: u32 = 64;

/// Gives what root made below some places to whoever used sudo, when it is dropped.
#[must_use]
#[derive(Debug, Default)]
pub struct OwnershipRestorer {
    to: Option<(u32, u32)>,
    places: Vec<OwnedPlace>,
}

/// A place in a directory of that user's.
#[derive(Debug)]
struct OwnedPlace {
    /// The lowest directory that was there.
    dir: OwnedFd,
    /// What is missing in it and made with the place; `None` where the directory is the place itself.
    name: Option<OsString>,
    /// What was root's in it before.
    before: HashSet<FileIdentity>,
}

/// A file: its device, its number, and when it was made, since numbers come again.
type FileIdentity = (u32, u32, u64, i64, u32);

/// Returns the user and the group of whoever used sudo to become root.
#[must_use]
pub fn find_sudo_user() -> Option<(u32, u32)> {
    let id = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let ids = (id("SUDO_UID")?, id("SUDO_GID")?);
    (rustix::process::geteuid().is_root() && ids.0 != 0).then_some(ids)
}

impl OwnershipRestorer {
    /// Takes of `places` those that lie in a directory of the user who used sudo; none where that isn't how root came
    /// here.
    pub fn new_restorer_for_sudo_user(places: impl IntoIterator<Item = PathBuf>) -> Self {
        match find_sudo_user() {
            Some((user, group)) => Self::new_ownership_restorer_for_user(user, group, places),
            None => Self::default(),
        }
    }

    fn new_ownership_restorer_for_user(
        user: u32,
        group: u32,
        places: impl IntoIterator<Item = PathBuf>,
    ) -> Self {
        let places = places.into_iter().filter_map(|place| open_owned_place(&place, user)).collect();
        Self { to: Some((user, group)), places }
    }
}

impl Drop for OwnershipRestorer {
    fn drop(&mut self) {
        let Some((user, group)) = self.to else { return };
        for place in &self.places {
            let mut give = |file: &OwnedFd, found: &Statx| {
                if found.stx_uid == 0 && may_be_given(found) && !place.before.contains(&identify_file(found))
                {
                    // Where it can't be given, it stays root's.
                    let (user, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
                    let _ = rustix::fs::chownat(file, "", user, group, AtFlags::EMPTY_PATH);
                }
            };
            match &place.name {
                Some(name) => visit_file(&place.dir, name, TREE_DEPTH_MAX, &mut give),
                None => visit_entries(&place.dir, TREE_DEPTH_MAX, &mut give),
            }
        }
    }
}

/// Opens the lowest directory that stands of a place; `None` where that isn't the user's, or the place is a file that stands.
fn open_owned_place(place: &Path, user: u32) -> Option<OwnedPlace> {
    let mut name = None;
    for above in place.ancestors() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match rustix::fs::open(above, flags, Mode::empty()) {
            Ok(dir) => {
                if stat_open_file(&dir)?.stx_uid != user {
                    return None;
                }
                let mut before = HashSet::new();
                if name.is_none() {
                    visit_entries(&dir, TREE_DEPTH_MAX, &mut |_, found| {
                        if found.stx_uid == 0 {
                            before.insert(identify_file(found));
                        }
                    });
                }
                return Some(OwnedPlace { dir, name, before });
            }
            Err(rustix::io::Errno::NOENT) => name = Some(above.file_name()?.to_owned()),
            Err(_) => return None,
        }
    }
    None
}

/// A directory, or a file that has no other name: one with two may lie somewhere else too.
fn may_be_given(found: &Statx) -> bool {
    match FileType::from_raw_mode(found.stx_mode.into()) {
        FileType::Directory => true,
        FileType::RegularFile => found.stx_nlink == 1,
        _ => false,
    }
}

fn identify_file(found: &Statx) -> FileIdentity {
    let made = found.stx_btime;
    (found.stx_dev_major, found.stx_dev_minor, found.stx_ino, made.tv_sec, made.tv_nsec)
}

fn stat_open_file(file: &OwnedFd) -> Option<Statx> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, wanted).ok()
}

/// Shows a file of a directory, and all below it, to `visit`; a link is neither followed nor shown.
fn visit_file(dir: &OwnedFd, name: &OsStr, depth: u32, visit: &mut dyn FnMut(&OwnedFd, &Statx)) {
    // Opened as a place only: whatever it is, nothing happens to it.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(dir, name, flags, Mode::empty()) else { return };
    let Some(found) = stat_open_file(&file) else { return };
    visit(&file, &found);
    if FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory && depth > 0 {
        visit_entries(&file, depth - 1, visit);
    }
}

fn visit_entries(dir: &OwnedFd, depth: u32, visit: &mut dyn FnMut(&OwnedFd, &Statx)) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(open) = rustix::fs::openat(dir, ".", flags, Mode::empty()) else { return };
    let Ok(entries) = Dir::read_from(&open) else { return };
    for entry in entries.flatten() {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            visit_file(dir, name, depth, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, lchown},
    };

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

    #[test]
    fn what_was_roots_before_and_what_a_link_leads_to_stays_roots() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (home, victim) = (dir.path().join("home"), dir.path().join("victim"));
        fs::create_dir_all(home.join("state/sub")).unwrap();
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("shadow"), "").unwrap();
        fs::write(home.join("state/older"), "").unwrap();
        for path in ["", "state"] {
            lchown(home.join(path), Some(20717), Some(20717)).unwrap();
        }
        let given = OwnershipRestorer::new_ownership_restorer_for_user(20717, 20718, [home.join("state")]);
        fs::write(home.join("state/sub/newer"), "").unwrap();
        fs::write(home.join("state/newer"), "").unwrap();
        // The user swaps the directory itself, and puts a link among what is in it.
        std::os::unix::fs::symlink(&victim, home.join("state/link")).unwrap();
        fs::rename(home.join("state"), home.join("moved")).unwrap();
        std::os::unix::fs::symlink(&victim, home.join("state")).unwrap();
        drop(given);
        let owner = |path: &str| fs::symlink_metadata(dir.path().join(path)).unwrap().uid();
        for path in ["home/moved/newer", "home/moved/sub/newer"] {
            assert_eq!(owner(path), 20717, "{path}");
        }
        for path in ["victim", "victim/shadow", "home/moved/older", "home/moved/sub", "home/moved/link"] {
            assert_eq!(owner(path), 0, "{path}");
        }
    }
}
