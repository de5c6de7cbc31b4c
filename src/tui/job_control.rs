//! Job control: stopping this process as a shell expects it of Ctrl-Z, and only where somebody can continue it.

use std::io;

use rustix::process::{Pid, RawPid, Signal, getpid, kill_process};

/// Who has to stop with this process, and whether anybody is left who can continue them.
#[derive(Debug, PartialEq, Eq)]
struct StoppableJob {
    /// What waits for this process in its own process group, such as sudo or a script, the nearest first.
    waiting: Vec<Pid>,
    has_shell: bool,
}

/// Where a process is: its parent, its process group, its session. What is of another PID namespace, as around the first
/// process of a container, has the number 0 there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProcessPlace {
    parent: Option<Pid>,
    group: RawPid,
    session: RawPid,
}

/// Whom a stop is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedProcesses {
    /// This one: a signal asked for it.
    ThisOne,
    /// And what waits for it: Ctrl-Z is for the whole job, and the terminal didn't see it as such.
    WholeJob,
}

/// Tells whether somebody is there who could continue this process. Where nobody is, a stop would be its end: the kernel
/// ignores SIGTSTP there, too.
#[must_use]
pub fn can_process_be_continued() -> bool {
    find_stoppable_job(getpid(), read_process_place).is_some_and(|job| job.has_shell)
}

/// Tells whether the terminal's keys and answers come to this process: its process group is the one in the foreground.
#[must_use]
pub fn is_this_process_in_foreground() -> bool {
    rustix::termios::tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Stops this process. It returns before or after it is continued: wait for SIGCONT.
///
/// # Errors
/// Fails where the system refuses the signal.
pub fn stop_this_process(stopped: StoppedProcesses) -> io::Result<()> {
    if stopped == StoppedProcesses::WholeJob {
        let job = find_stoppable_job(getpid(), read_process_place);
        for waiting in job.into_iter().flat_map(|job| job.waiting) {
            // It may be another user's, as sudo is: that one stops when it sees its child stopped.
            let _ = kill_process(waiting, Signal::TSTP);
        }
    }
    Ok(kill_process(getpid(), Signal::STOP)?)
}

/// Goes up from `process` to the first ancestor outside of its process group: a shell with job control is that one, and
/// of the same session.
fn find_stoppable_job(process: Pid, place: impl Fn(Pid) -> Option<ProcessPlace>) -> Option<StoppableJob> {
    let own = place(process)?;
    let mut job = StoppableJob { waiting: Vec::new(), has_shell: false };
    let mut above = own.parent;
    while let Some(ancestor) = above {
        let Some(there) = place(ancestor) else { break };
        if there.group != own.group {
            job.has_shell = there.session == own.session;
            break;
        }
        job.waiting.push(ancestor);
        above = there.parent;
    }
    Some(job)
}

/// Reads where a process is; none where /proc can't tell, or shows another PID namespace, whose numbers name others here.
fn read_process_place(process: Pid) -> Option<ProcessPlace> {
    let path = if process == getpid() { "self".to_string() } else { process.to_string() };
    let stat = std::fs::read_to_string(format!("/proc/{path}/stat")).ok()?;
    let (read, place) = parse_process_stat(&stat)?;
    (read == process).then_some(place)
}

/// Reads `pid (name) state parent group session …`, as proc_pid_stat(5) has it; a name may hold anything. rustix' getpgid
/// and getsid take no 0 for an answer.
fn parse_process_stat(stat: &str) -> Option<(Pid, ProcessPlace)> {
    let (before, after) = stat.rsplit_once(')')?;
    let process = Pid::from_raw(before.split_whitespace().next()?.parse().ok()?)?;
    let mut fields = after.split_whitespace().skip(1).map(str::parse::<RawPid>);
    let mut next = || fields.next()?.ok();
    Some((process, ProcessPlace { parent: Pid::from_raw(next()?), group: next()?, session: next()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    #[test]
    fn a_job_stops_where_a_shell_can_continue_it() {
        // (pid, parent, group, session)
        for (case, tree, waiting, has_shell) in [
            ("from a shell", vec![(9, 5, 9, 5), (5, 1, 5, 5)], vec![], true),
            ("by sudo from a shell", vec![(9, 8, 8, 5), (8, 5, 8, 5), (5, 1, 5, 5)], vec![8], true),
            ("by itself in a terminal", vec![(9, 5, 9, 9), (5, 1, 5, 5)], vec![], false),
            (
                "by a script that leads the session",
                vec![(9, 8, 8, 8), (8, 5, 8, 8), (5, 1, 5, 5)],
                vec![8],
                false,
            ),
            ("as the first process", vec![(9, 0, 9, 9)], vec![], false),
            ("its parent can't be seen", vec![(9, 7, 9, 5)], vec![], false),
            (
                "in a container whose first process didn't start a session",
                vec![(9, 1, 9, 9), (1, 0, 0, 0)],
                vec![],
                false,
            ),
            ("as the first process, of its starter's group and session", vec![(9, 0, 0, 0)], vec![], false),
            ("below such a first process", vec![(9, 1, 0, 0), (1, 0, 0, 0)], vec![1], false),
            (
                "from a shell in the session of the container's starter",
                vec![(9, 1, 9, 0), (1, 0, 1, 0)],
                vec![],
                true,
            ),
        ] {
            let place = |process: Pid| {
                let found = tree.iter().find(|row| pid(row.0) == process)?;
                Some(ProcessPlace { parent: Pid::from_raw(found.1), group: found.2, session: found.3 })
            };
            let waiting: Vec<Pid> = waiting.into_iter().map(pid).collect();
            assert_eq!(
                find_stoppable_job(pid(9), place),
                Some(StoppableJob { waiting, has_shell }),
                "{case}"
            );
        }
    }

    #[test]
    fn a_processs_place_is_read_from_proc() {
        let place = |parent, group, session| ProcessPlace { parent: Pid::from_raw(parent), group, session };
        for (stat, expected) in [
            ("9 (packagecloud-cl) S 5 9 5 34816 9", Some((pid(9), place(5, 9, 5)))),
            ("9 (a ) (name) R 5 8 5 0 -1", Some((pid(9), place(5, 8, 5)))),
            ("1 (sh) S 0 0 0 0 -1", Some((pid(1), place(0, 0, 0)))),
            ("9 (cut off) S 5 9", None),
            ("", None),
        ] {
            assert_eq!(parse_process_stat(stat), expected, "{stat}");
        }
        let own = read_process_place(getpid()).expect("this process has a place");
        assert_eq!(own.parent, rustix::process::getppid());
        assert_eq!(read_process_place(pid(i32::MAX)), None);
    }
}
