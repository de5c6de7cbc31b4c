//! Evaluates a packagecloud.rb by the machine's own Ruby, which shuts itself in before it runs a byte of it.
//!
//! What is refused to the file, and how, stands in `assets/sandbox-evaluator.rb`; here are the bounds of time and output.

use std::{
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::packagecloud::ctl_command::is_private_variable_name;

const EVALUATOR_SOURCE: &str = include_str!("../../../assets/sandbox-evaluator.rb");

const EVALUATION_TIME_MAX: Duration = Duration::from_secs(10);

/// For the pipes of a program that has ended.
const PIPE_CLOSED_WAIT: Duration = Duration::from_secs(1);

/// Of what Ruby prints, and of what the file comes to: each.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// What would let something of the environment into Ruby before it is shut in.
const RUBY_STEERING_PREFIXES: [&str; 4] = ["RUBY", "GEM_", "BUNDLE_", "LD_"];

/// How an evaluation ended.
#[derive(Debug, PartialEq)]
pub(super) enum RubyEvaluation {
    /// What `packagecloud_rails` came to, and which Ruby says so.
    Values { ruby: String, rails: Map<String, Value>, printed: String },
    /// The file raised, or went beyond a bound.
    Raised { ruby: String, why: String, printed: String },
    /// There is no Ruby here: nothing of the file was run.
    Unavailable(String),
    /// There is one, and it could not be shut in: nothing of the file was run.
    NotShutIn(String),
}

/// By what Ruby shuts itself in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum RubyConfinement {
    Landlock,
    /// Namespaces of users, mounts and networks, which util-linux's `unshare` makes.
    Namespaces,
}

impl RubyConfinement {
    /// Begins the command that Ruby's arguments follow.
    fn begin_ruby_command(self) -> Command {
        match self {
            Self::Landlock => Command::new("ruby"),
            Self::Namespaces => {
                let mut command = Command::new("unshare");
                // Root needs no users of its own, and would lose the files of all others by them.
                if !rustix::process::geteuid().is_root() {
                    command.args(["--user", "--map-root-user"]);
                }
                command.args(["--mount", "--net", "--ipc", "--", "ruby"]);
                command
            }
        }
    }
}

/// A line of the evaluator's.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum EvaluatorLine {
    ShutIn(String),
    NotShutIn(String),
    Values(Map<String, Value>),
    Raised(String),
}

/// Evaluates the file, shut in by what the kernel has; holds the thread up until that ends, twice [`EVALUATION_TIME_MAX`]
/// at most.
pub(super) fn evaluate_packagecloud_rb(path: &Path) -> RubyEvaluation {
    match evaluate_confined(path, RubyConfinement::Landlock) {
        RubyEvaluation::NotShutIn(why) => match evaluate_confined(path, RubyConfinement::Namespaces) {
            RubyEvaluation::NotShutIn(beside) | RubyEvaluation::Unavailable(beside) => {
                RubyEvaluation::NotShutIn(format!("{why}; nor in namespaces: {beside}"))
            }
            evaluated => evaluated,
        },
        evaluated => evaluated,
    }
}

fn evaluate_confined(path: &Path, confinement: RubyConfinement) -> RubyEvaluation {
    let mut command = confinement.begin_ruby_command();
    command.args(["-W0", "-EUTF-8", "-e", EVALUATOR_SOURCE]).arg(path);
    if confinement == RubyConfinement::Namespaces {
        command.arg("namespaces");
    }
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if is_private_variable_name(&text)
            || RUBY_STEERING_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    // What the file names without a folder lies beside it.
    if let Some(folder) = path.parent() {
        command.current_dir(folder);
    }
    match run_bounded_program(&mut command, EVALUATION_TIME_MAX) {
        Ok(output) => interpret_evaluator_output(&output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            RubyEvaluation::Unavailable(format!("there is no {} in PATH", command.get_program().display()))
        }
        Err(error) => RubyEvaluation::Unavailable(format!("ruby can't be started: {error}")),
    }
}

/// What a program printed until it ended, or until a bound ended it.
struct BoundedOutput {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Which bound it went beyond.
    exceeded: Option<String>,
}

fn run_bounded_program(command: &mut Command, time_max: Duration) -> io::Result<BoundedOutput> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let deadline = Instant::now() + time_max;
    let (sender, receiver) = mpsc::channel();
    let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    for (at, pipe) in [stdout, stderr].into_iter().flatten().enumerate() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // A pipe that breaks ends as one that is closed.
            let _ = pipe.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
            let _ = sender.send((at, bytes));
        });
    }
    drop(sender);
    let mut streams = [Vec::new(), Vec::new()];
    let mut exceeded = None;
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((at, bytes)) => {
                if bytes.len() as u64 > OUTPUT_BYTES_MAX {
                    exceeded.get_or_insert(format!("it printed more than {OUTPUT_BYTES_MAX} bytes"));
                    child.kill()?;
                }
                streams[at] = bytes;
            }
            Err(mpsc::RecvTimeoutError::Timeout) if exceeded.is_none() => {
                exceeded = Some(format!("it ran for more than {time_max:?}"));
                child.kill()?;
                break;
            }
            Err(_) => break,
        }
    }
    // Whoever closed both its pipes has nothing more to say: it isn't waited for.
    child.kill()?;
    child.wait()?;
    // After the time, what it said before; a pipe that somebody else still holds is left alone.
    while let Ok((at, bytes)) = receiver.recv_timeout(PIPE_CLOSED_WAIT) {
        streams[at] = bytes;
    }
    let [stdout, stderr] = streams;
    Ok(BoundedOutput { stdout, stderr, exceeded })
}

fn interpret_evaluator_output(output: &BoundedOutput) -> RubyEvaluation {
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut lines = stdout.lines().map(serde_json::from_str);
    let ruby = match lines.next() {
        Some(Ok(EvaluatorLine::ShutIn(version))) => version,
        Some(Ok(EvaluatorLine::NotShutIn(why))) => {
            return RubyEvaluation::NotShutIn(why);
        }
        _ => {
            let last = output.exceeded.as_deref().or_else(|| printed.lines().next_back());
            let last = last.unwrap_or("it said nothing");
            return RubyEvaluation::Unavailable(format!("ruby can't be used here: {last}"));
        }
    };
    if let Some(exceeded) = &output.exceeded {
        return RubyEvaluation::Raised { ruby, why: exceeded.clone(), printed };
    }
    match lines.next() {
        Some(Ok(EvaluatorLine::Values(rails))) => RubyEvaluation::Values { ruby, rails, printed },
        Some(Ok(EvaluatorLine::Raised(why))) => RubyEvaluation::Raised { ruby, why, printed },
        _ => RubyEvaluation::Raised { ruby, why: "Ruby ended before the file did".to_owned(), printed },
    }
}

#[cfg(test)]
mod tests;
