//! How many calls `enable` makes, and how long it takes beside its longest chain of calls that wait for each other.
//!
//! Calls are those to AWS; asking packagecloud and the edge, as a package manager does, is no call.

use std::time::Duration;

use packagecloud_cloudfront::{
    args::Arguments,
    cli::{self, Session},
    model::{answers::Answers, goal::Goal},
    sandbox::{
        self, Delays, Options, World,
        ledger::{self, Call},
    },
};
use tokio_util::sync::CancellationToken;

use crate::ground::ground;

const LATENCY: Duration = Duration::from_millis(100);
const AWS: [&str; 7] = ["sts", "iam", "kms", "acm", "lambda", "cloudfront", "s3"];

fn world(dir: &std::path::Path) -> World {
    let delays = Some(Delays::NONE);
    sandbox::open(&Options { dir: dir.to_owned(), latency: LATENCY, delays, ..Options::default() }).unwrap()
}

/// `enable --yes`, as the binary does it: how long it took.
async fn enable(world: &World) -> Duration {
    let line = ["packagecloud-cloudfront", "enable", "--yes"];
    let args: Arguments = clap::Parser::parse_from(line);
    let mut session = Session {
        ground: ground(world),
        answers: Answers { goal: Some(Goal::Install), ..Answers::default() },
        global: args.global,
        line: line.map(str::to_owned).to_vec(),
        stop: CancellationToken::new(),
        sandbox: true,
    };
    let began = tokio::time::Instant::now();
    assert_eq!(cli::run(&mut session, &args.command.unwrap()).await, cli::DONE);
    began.elapsed()
}

/// Runs `work` on a paused clock, with the stack that the binary's main thread has: a debug build's futures are large.
fn paused<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) {
    let run = move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(work());
    };
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(run).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// One line for each operation, with how often it was asked.
fn counted(calls: &[Call]) -> String {
    let mut all = std::collections::BTreeMap::new();
    for call in calls {
        *all.entry(format!("{}:{}", call.service, call.operation)).or_insert(0) += 1;
    }
    all.iter().map(|(name, count)| format!("{count:3} {name}\n")).collect()
}

#[test]
fn a_fresh_account_costs_its_longest_chain_and_one_that_is_right_no_write() {
    paused(async || {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        for (what, most) in [("fresh", 60), ("again", 25)] {
            world.clear_ledger();
            let took = enable(&world).await;
            let all = world.ledger();
            let chain = ledger::longest_chain(&all);
            let calls: Vec<Call> =
                all.into_iter().filter(|call| AWS.contains(&call.service.as_str())).collect();
            println!("{what}: {} calls, the longest chain {chain}, {took:?}", calls.len());
            assert!(calls.len() <= most, "{what}: {} calls:\n{}", calls.len(), counted(&calls));
            let chain = LATENCY * u32::try_from(chain).unwrap();
            assert!(took <= chain.mul_f64(1.25), "{what}: {took:?} for a chain of {chain:?}");
            let writes: Vec<&Call> = calls.iter().filter(|call| call.write).collect();
            assert_eq!(what == "again", writes.is_empty(), "{what}: {writes:?}");
        }
    });
}
