//! A host whose packagecloud.rb a configuration client writes: what is asked, shown and said, and waiting until it holds the values (contract section 7).

use std::time::Duration;

use crate::host::Written;
use crate::model::{
    aws::evidence::ConfigSeen,
    packagecloud::{
        settings::{HASH, Key, Values},
        snippet,
    },
    run::{
        answers::{Answers, Managed},
        failure::Failure,
        goal::Step,
        plan::{Ask, Consent, Exhibit},
    },
};

use crate::engine::{
    run::StageRun,
    session::Ground,
    stages::configuration::{Aim, edits},
};

/// Holds what a configuration client is waited for to write: Ruby's lines, and the same as its tool wants them.
const AWAITED: &str = "managed-values";
const SNIPPET: &str = "managed-snippet";

/// How often a managed host's file is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// However fast a sandbox is.
const SHORTEST: Duration = Duration::from_millis(20);

/// Whether the host's tool is waited for, and writes all of the values at once: it is given them once, when the last of
/// them is known.
pub(crate) fn is_waited_for(config: &ConfigSeen, answers: &Answers) -> bool {
    config.managed.is_some() && answers.consents.managed == Some(Managed::Wait)
}

/// A file that a configuration client writes is not ours to edit unasked.
pub(crate) fn ask(config: &ConfigSeen, answers: &Answers) -> Option<Ask> {
    let (tool, how) = config.managed.as_ref()?;
    if answers.consents.managed.is_some() {
        return None;
    }
    Some(Ask {
        consent: Consent::Managed,
        question: format!(
            "{tool} manages this host ({how}) and would undo the edit on its next run. Write the file now all the same?"
        ),
    })
}

/// What is said where the file is written although a client manages it.
pub(crate) fn note(config: &ConfigSeen, answers: &Answers) -> Option<String> {
    let (tool, how) = config.managed.as_ref()?;
    (answers.consents.managed == Some(Managed::Write)).then(|| {
        format!(
            "{tool} manages this host ({how}); its next run undoes this. Until {tool} holds the values too (configuration --format {tool} prints them), {}.",
            pause(tool)
        )
    })
}

/// How a client is kept from running.
pub(crate) fn pause(tool: &str) -> &'static str {
    match tool {
        "chef" => "stop chef-client (systemctl stop chef-client.timer chef-client)",
        "puppet" => "run: puppet agent --disable",
        _ => "leave this host out of the play",
    }
}

/// The lines as the tool that manages the file wants them, for whoever keeps them there; secrets are hidden.
pub(crate) fn exhibit(config: &ConfigSeen, wanted: &Values, keys: &[Key]) -> Option<Exhibit> {
    let (tool, _) = config.managed.as_ref()?;
    Some(Exhibit {
        title: format!("For {tool}, which writes {}", config.path),
        lines: snippet::of(tool, &only(&wanted.hidden(), keys)).lines().map(str::to_owned).collect(),
        copy: true,
    })
}

/// `keys` of the values, and nothing else of them.
fn only(values: &Values, keys: &[Key]) -> Values {
    let has = |key| keys.contains(&key);
    Values {
        enabled: values.enabled.filter(|_| has(Key::Enabled)),
        secret: values.secret.clone().filter(|_| has(Key::Secret)),
        distribution_id: values.distribution_id.clone().filter(|_| has(Key::DistributionId)),
        packages_domain: values.packages_domain.clone().filter(|_| has(Key::PackagesDomain)),
    }
}

/// Waits until the host's configuration client has written `keys` of `values`. They are shown in a file that only this
/// user reads, since the secret may be among them.
pub(crate) async fn written(
    ground: &Ground,
    tool: &str,
    (values, keys): (&Values, &[Key]),
    run: &StageRun,
    step: Step,
    aim: Aim,
) -> Result<Written, Failure> {
    let wanted = edits(values, keys);
    let lines: String =
        wanted.iter().map(|(key, value)| format!("{HASH}['{}'] = {value}\n", key.name())).collect();
    ground.host.state.write(AWAITED, lines.as_bytes())?;
    let snippet = format!("{}\n", snippet::of(tool, &only(values, keys)));
    let path = ground.host.state.write(SNIPPET, snippet.as_bytes())?;
    let say = run.progress(step);
    let began = tokio::time::Instant::now();
    loop {
        {
            let _turn = ground.turn().await?;
            aim.begin(ground).await?;
        }
        say(&format!(
            "waiting for {tool} to write the lines of {} to {}, {} s",
            path.display(),
            ground.host.config_place(),
            began.elapsed().as_secs()
        ));
        // What is kept here doesn't count: the file must hold it.
        let now = ground.host.read_config().await?.file.values();
        if wanted.iter().all(|(key, value)| now.ruby(*key).as_ref() == Some(value)) {
            ground.host.forget_awaited();
            ground.host.state.remove(AWAITED);
            ground.host.state.remove(SNIPPET);
            return Ok(Written { backup: None, diff: Vec::new() });
        }
        let pause = async {
            tokio::time::sleep(ground.patience(LOOK_AGAIN).max(SHORTEST)).await;
            Ok(())
        };
        run.unless_stopped(pause).await?;
    }
}
