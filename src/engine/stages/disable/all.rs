//! Switching off is done on every node at once, and goes on past each that fails: what could not be done is said, with what to type there.
//!
//! It does what was asked and not just what was shown: what a run beside it wrote meanwhile is switched off as well. From
//! its note on that run writes no more that CloudFront is on, or takes it back; one that begins later meets the next note.

use futures::future::join_all;

use crate::host::environment::clock;
use crate::model::{
    aws::evidence::ConfigSeen,
    packagecloud::settings::Key,
    run::{
        answers::Answers,
        event::End,
        failure::{Failure, Kind},
        goal::Step,
    },
};

use super::{commands, is_on, switches_on, typed, unseen, wanted};
use crate::engine::{
    packagecloud::switch,
    run::StageRun,
    session::Ground,
    stages::configuration::{self, kept},
};

/// How often it is switched off again where a run that began meanwhile switched it on.
const ROUNDS: u32 = 3;

/// A node that can be reached.
struct Node {
    ground: Ground,
    seen: ConfigSeen,
    /// Whether there is anything to do on it.
    due: bool,
    /// Where the file before is kept, as the end of a sentence.
    backup: String,
    /// What went wrong after its file was written.
    failures: Vec<Failure>,
    /// Why its file can't be read or written.
    lost: Option<Failure>,
}

/// The nodes, and those of them that could not be switched.
struct All {
    nodes: Vec<Node>,
    lost: Vec<(Ground, Failure)>,
    alone: bool,
}

pub(crate) async fn apply(
    ground: &Ground,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let beside = ground.other_run().await.is_some();
    let mut all = All::of(ground);
    for round in 1.. {
        ground.note_off().await;
        all.read().await?;
        // A configuration client would win each time: what it does is said, and not fought.
        let again = |node: &Node| round == 1 || node.seen.managed.is_none();
        let on = all.nodes.iter().any(|node| is_on(&node.seen) && again(node));
        if all.lost.is_empty() && !all.nodes.iter().any(|node| node.due) {
            // What the files say is one thing, what packagecloud does another.
            let lags = round == 1 && switch::lags(ground, answers).await.is_some();
            all.nodes.iter_mut().for_each(|node| node.due = lags);
        }
        if round > 1 && (!on || round > ROUNDS) {
            break;
        }
        if !all.nodes.iter().any(|node| node.due) {
            if !all.lost.is_empty() {
                break;
            }
            return Ok(if beside {
                (End::Applied, "it was off already, and the run beside this one will not go live".into())
            } else {
                (End::Unchanged, unseen(ground, answers).unwrap_or_default().to_owned())
            });
        }
        all.nodes.iter_mut().for_each(|node| node.failures.clear());
        all.write(run).await?;
        if ground.without_ctl() {
            all.done().await;
            let text = "the file is written; left to you, where packagecloud runs: packagecloud-ctl reconfigure, then packagecloud-ctl restart";
            return if all.lost.is_empty() { Ok((End::Stopped, text.into())) } else { Err(all.left("")) };
        }
        all.follow(Step::Reconfigure, "reconfigure", run).await;
        all.follow(Step::Restart, "restart", run).await;
    }
    let observed = run
        .step(Step::Proof, "asking packagecloud where it redirects", async {
            let failed = all.nodes.iter().any(|node| !node.failures.is_empty());
            let observed = if failed {
                switch::seen_now(ground, answers).await
            } else {
                switch::await_s3(ground, answers).await?
            };
            Ok((observed.clone(), observed))
        })
        .await;
    all.end(ground, observed).await
}

impl All {
    fn of(ground: &Ground) -> Self {
        let nodes = ground.nodes().into_iter().map(|ground| Node {
            ground,
            seen: ConfigSeen::default(),
            due: false,
            backup: String::new(),
            failures: Vec::new(),
            lost: None,
        });
        Self { nodes: nodes.collect(), lost: Vec::new(), alone: ground.others().is_empty() }
    }

    /// Reads every file; a node whose file can't be read is lost.
    async fn read(&mut self) -> Result<(), Failure> {
        let read = join_all(self.nodes.iter().map(|node| node.ground.host.read_config())).await;
        for (node, read) in self.nodes.iter_mut().zip(read) {
            match read {
                Ok(config) => {
                    node.seen = config.seen;
                    node.due = is_on(&node.seen) || switch::begun(&node.ground);
                }
                Err(failure) => node.lost = Some(failure),
            }
        }
        self.part_with_lost()
    }

    /// Takes out the nodes that are lost.
    ///
    /// # Errors
    /// Where that is the only one: then there is nobody to go on with.
    fn part_with_lost(&mut self) -> Result<(), Failure> {
        for mut node in std::mem::take(&mut self.nodes) {
            match node.lost.take() {
                None => self.nodes.push(node),
                Some(failure) if self.alone => {
                    return Err(typed(failure, &node.ground.host.config_place()));
                }
                Some(failure) => self.lost.push((node.ground, failure)),
            }
        }
        Ok(())
    }

    /// Writes every file that says that CloudFront is on; without the file switched off, a restart would only cost
    /// customers time.
    async fn write(&mut self, run: &StageRun) -> Result<(), Failure> {
        let on: Vec<&Node> = self.nodes.iter().filter(|node| is_on(&node.seen)).collect();
        for node in self.nodes.iter().filter(|node| node.due && !is_on(&node.seen)) {
            // What a run before this one began is this one's to end.
            switch::intend(&node.ground, false);
        }
        if on.is_empty() {
            return Ok(());
        }
        let places: Vec<&str> = on.iter().map(|node| node.seen.path.as_str()).collect();
        let names = names(on.into_iter());
        let mut began = false;
        let result = run
            .step(Step::Switch, format!("writing {}", places.join(", ")), async {
                began = true;
                let written = join_all(self.nodes.iter().map(|node| write(&node.ground))).await;
                let mut backups = String::new();
                for (node, written) in self.nodes.iter_mut().zip(written) {
                    match written {
                        Ok(kept) => {
                            backups.push_str(&kept);
                            node.backup.push_str(&kept);
                        }
                        Err(failure) => node.lost = Some(failure),
                    }
                }
                match self.nodes.iter().find_map(|node| node.lost.as_ref()) {
                    Some(failure) if self.alone => {
                        let path = &self.nodes[0].seen.path;
                        Err(typed(failure.clone(), path))
                    }
                    Some(failure) => Err(failure.clone()),
                    None => Ok(((), format!("cloudfront_enabled is false{names}{backups}"))),
                }
            })
            .await;
        if !began {
            return result;
        }
        self.part_with_lost()
    }

    /// One of packagecloud-ctl's commands on every node that is due; a failure is kept with its node, and stops none.
    async fn follow(&mut self, step: Step, command: &str, run: &StageRun) {
        let say = run.progress(step);
        let names = names(self.nodes.iter().filter(|node| node.due));
        let several = self.nodes.len() > 1;
        let _ = run
            .step(step, format!("packagecloud-ctl {command}{names}"), async {
                let due = self.nodes.iter_mut().filter(|node| node.due);
                let ran = join_all(due.map(async |node| {
                    let name = node.ground.host.reach.name().filter(|_| several);
                    let mut line = |line: &str| match name {
                        Some(name) => say(&format!("{name}: {line}")),
                        None => say(line),
                    };
                    let ran = switch::carry_out(&node.ground, command, &mut line).await;
                    node.failures.extend(ran.as_ref().err().cloned());
                    ran
                }))
                .await;
                let said: Vec<String> = ran.into_iter().collect::<Result<_, _>>()?;
                Ok(((), said.join("; ")))
            })
            .await;
    }

    /// The nodes that followed are seen to their end.
    async fn done(&self) {
        for node in self.nodes.iter().filter(|node| node.failures.is_empty()) {
            switch::done(&node.ground).await;
        }
    }

    /// What came of it, with what was seen of packagecloud's redirects.
    async fn end(
        &mut self,
        ground: &Ground,
        observed: Result<String, Failure>,
    ) -> Result<(End, String), Failure> {
        if !self.lost.is_empty() {
            // Those that followed are done; it is the lost ones that are left.
            self.done().await;
            return Err(match observed {
                Ok(observed) => self.left(&observed),
                Err(failure) => Failure { kind: failure.kind, ..self.left(&failure.why) },
            });
        }
        let mut failures: Vec<Failure> =
            self.nodes.iter().flat_map(|node| node.failures.iter().cloned()).collect();
        match observed {
            Ok(observed) if failures.is_empty() => {
                self.done().await;
                let since = clock::written(ground.host.clock.now());
                let on = names(self.nodes.iter());
                let backups: String = self.nodes.iter().map(|node| node.backup.as_str()).collect();
                let warnings: String = self
                    .nodes
                    .iter()
                    .filter_map(|node| switches_on(&node.seen))
                    .map(|text| format!(". {}", text.trim_end_matches('.')))
                    .collect();
                Ok((
                    End::Applied,
                    format!(
                        "off since {since}{on}; {observed}. Customers do nothing; whoever closed S3 in a firewall opens it{backups}. Switch on again with: packagecloud-cloudfront enable{warnings}"
                    ),
                ))
            }
            Ok(observed) => {
                let first = failures.remove(0);
                Err(Failure { why: format!("{}; the file says off; {observed}", first.why), ..first })
            }
            Err(failure) => {
                failures.push(failure);
                // The first is the cause: where a reconfigure failed, the redirects are its consequence.
                let first = failures.remove(0);
                let mut why = vec![first.why.clone()];
                why.extend(failures.iter().map(ToString::to_string));
                Err(Failure { why: why.join("; and "), ..first })
            }
        }
    }

    /// Some nodes are off, some could not be switched: which, why, and what to type there.
    fn left(&self, observed: &str) -> Failure {
        let (first, failure) = &self.lost[0];
        let mut why = Vec::new();
        if !self.nodes.is_empty() {
            why.push(format!("off{}", names(self.nodes.iter())));
        }
        why.extend(self.lost.iter().map(|(node, failure)| format!("not{}: {}", node.host.on(), failure.why)));
        why.extend(self.nodes.iter().flat_map(|node| &node.failures).map(ToString::to_string));
        if !observed.is_empty() {
            why.push(observed.to_owned());
        }
        let next: Vec<String> = self.lost.iter().map(|(node, _)| commands(node)).collect();
        let kind = if failure.kind == Kind::Drifted { Kind::Other } else { failure.kind };
        let what = first.host.reach.name().unwrap_or_default();
        Failure::new(kind, what, why.join("; "), format!("type {}", next.join("; and ")))
    }
}

/// ` on web1, web2`, where they are other hosts.
fn names<'a>(nodes: impl Iterator<Item = &'a Node>) -> String {
    let names: Vec<&str> = nodes.filter_map(|node| node.ground.host.reach.name()).collect();
    if names.is_empty() { String::new() } else { format!(" on {}", names.join(", ")) }
}

/// Writes that CloudFront is off on one node; where the file before is kept, as the end of a sentence.
async fn write(node: &Ground) -> Result<String, Failure> {
    let written = configuration::write_over(node, |now| {
        if !is_on(now) {
            return Vec::new();
        }
        switch::intend(node, false);
        configuration::edits(&wanted(), &[Key::Enabled])
    })
    .await?;
    Ok(written.as_ref().map(kept).unwrap_or_default())
}
