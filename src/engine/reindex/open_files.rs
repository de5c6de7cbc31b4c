//! How many connections this process may hold: each takes one of its open files, of which a login shell gives 1,024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files for all else: cursor and log, a batch's manifests, the parts of large copies.
const OTHER_FILES_RESERVE: u64 = 300;

/// Requests in flight at most, of `most`: lifts this process's own limit as far as that takes and as it may.
pub fn raise_open_file_limit(most: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = most as u64 + OTHER_FILES_RESERVE;
    let (now, may) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX).min(wanted));
    let lifted = now < may && setrlimit(Resource::Nofile, Rlimit { current: Some(may), maximum }).is_ok();
    compute_connections_for_open_files(most, if lifted { may } else { now })
}

fn compute_connections_for_open_files(most: usize, files: u64) -> usize {
    most.min(files.saturating_sub(OTHER_FILES_RESERVE).max(files / 4) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_all_else() {
        for (files, connections) in
            [(u64::MAX, 1280), (1580, 1280), (1579, 1279), (1024, 724), (400, 100), (256, 64), (64, 16)]
        {
            assert_eq!(compute_connections_for_open_files(1280, files), connections, "{files}");
        }
    }
}
