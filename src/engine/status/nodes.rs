//! Every web node, asked once: what its file says, and where packagecloud's redirects go.

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, future::join_all, stream::FuturesOrdered};
use tokio::time::Instant;

use crate::engine::{
    delivery::redirects::SampledRedirects,
    packagecloud::nodes::{NodeConfig, check_node_configs_agree},
    session::{PROBE_TOKEN_ADVICE, Session},
};
use crate::host::{LoadedConfig, is_host_down};
use crate::model::{
    failure::{Failure, FailureKind},
    run::{
        answers::OperatorAnswers,
        check::{CheckResult, CheckVerdict},
        proposed_command::render_proposed_command,
    },
    secret::Secret,
    status::{
        CloudFrontSwitchStatus, FindingSeverity, InstallStatus,
        redirects::{NodeFileSwitch, NodeSwitchStatus, RedirectAgreement, judge_switch},
    },
    url::redirect::{PackagecloudDownloadReply, RedirectTarget},
};

const REDIRECT_CHECK_NAME: &str = "packagecloud-redirect";

/// A node, as it was seen.
pub(super) struct SeenNode {
    /// As the operator named it.
    pub name: String,
    pub session: Session,
    pub config: Result<LoadedConfig, Failure>,
    /// Its own redirect, asked on that node; `None` on this machine, and where its file could not be read. The error says why
    /// it could not be asked.
    pub own_reply: Option<Result<PackagecloudDownloadReply, String>>,
}

impl SeenNode {
    /// Returns the secret in its file, where that was read.
    pub(super) fn secret_in_file(&self) -> Option<&Secret> {
        self.config.as_ref().ok()?.seen.values.secret.as_ref()
    }

    fn file_switch(&self) -> NodeFileSwitch {
        match &self.config {
            Ok(config) if !config.seen.may_cloudfront_be_on() => NodeFileSwitch::Off,
            Ok(config)
                if config.seen.describe_cloudfront_unless_off().as_deref() == Some("CloudFront is on") =>
            {
                NodeFileSwitch::On
            }
            _ => NodeFileSwitch::Unknown,
        }
    }

    /// Judges its own redirect, asked on that node, against its file: the load balancer may keep the node out. The check is not
    /// named yet; `None` where it was not asked.
    fn judge_own_redirect(&self) -> Option<(CheckResult, FindingSeverity)> {
        let reply = self.own_reply.as_ref()?.as_ref().ok()?;
        let seen = reply.describe_redirect();
        let name = String::new();
        let answers =
            |file: &str| format!("packagecloud.rb says {file}, and packagecloud there answers {seen}");
        let check = match (self.file_switch(), reply.classify_redirect_target()) {
            (NodeFileSwitch::On, RedirectTarget::S3) => {
                CheckResult::new_failed_check(name, answers("on"), render_follow_advice())
            }
            (NodeFileSwitch::Off, RedirectTarget::Edge) => {
                CheckResult::new_failed_check(name, answers("off"), render_follow_advice())
            }
            (_, RedirectTarget::Elsewhere) if reply.status >= 500 => {
                let ctl = self.session.host.ctl.render_ctl_command_line();
                let next = format!(
                    "on {}: see whether it runs, and read its log: {ctl} status && {ctl} tail",
                    self.name
                );
                let why = format!("packagecloud there answers {}", reply.status);
                return Some((CheckResult::new_failed_check(name, why, next), FindingSeverity::Refused));
            }
            (_, RedirectTarget::Elsewhere) => {
                CheckResult::new_unknown_check(name, format!("packagecloud there answers {seen}"))
            }
            _ => CheckResult::new_passed_check(name, format!("asked on that node: {seen}")),
        };
        Some((check, FindingSeverity::Drifted))
    }
}

/// What makes a packagecloud do what its file says.
pub(super) fn render_follow_advice() -> String {
    format!(
        "have packagecloud follow its file: {} && {}",
        render_proposed_command("reconfigure", &[]),
        render_proposed_command("restart", &[])
    )
}

/// What packagecloud answered to a download.
pub(super) enum RedirectSight {
    /// No address of a download is known.
    NotAsked,
    Seen(SampledRedirects),
    Silent(Failure),
}

/// All nodes, the first one first.
pub(super) struct SeenNodes {
    pub nodes: Vec<SeenNode>,
    pub redirects: RedirectSight,
}

/// Makes the check of a part that could not be asked.
pub(super) fn build_unknown_part(name: &str, failure: &Failure) -> CheckResult {
    CheckResult::new_unknown_check(name, format!("could not be asked: {}: {}", failure.what, failure.why))
}

/// Returns the session whose first node is one that can be reached, where that shows in time: what AWS holds is compared with that
/// node's file.
pub(super) async fn put_reached_node_first(session: &Session, limit: Duration) -> Session {
    let sessions = session.list_all_node_sessions();
    if sessions.len() < 2 {
        return session.clone_session_with_node_first(0);
    }
    // All at once: one that never answers takes no time from the others.
    let mut reached: FuturesOrdered<_> = sessions
        .iter()
        .map(|node| {
            let read = tokio::time::timeout(limit, node.host.read_packagecloud_config().boxed());
            async { read.await.is_ok_and(|read| !read.is_err_and(|failure| is_host_down(&failure))) }
        })
        .collect();
    let mut place = 0;
    while let Some(is_reached) = reached.next().await {
        if is_reached {
            return session.clone_session_with_node_first(place);
        }
        place += 1;
    }
    session.clone_session_with_node_first(0)
}

/// Reads a node's file, and asks for its own redirect there; one that is down isn't asked twice.
async fn read_node(
    node: &Session,
    answers: &OperatorAnswers,
    limit: Duration,
) -> (Result<LoadedConfig, Failure>, Option<Result<PackagecloudDownloadReply, String>>) {
    let until = Instant::now() + limit;
    let config =
        super::limit_part_time("packagecloud.rb", limit, node.host.read_packagecloud_config().boxed()).await;
    if config.is_err() {
        return (config, None);
    }
    let asked = tokio::time::timeout_at(until, node.probe_redirect_on_node(answers, None).boxed()).await;
    let own_reply = asked.unwrap_or_else(|_| Some(Err(format!("no answer within {} s", limit.as_secs()))));
    (config, own_reply)
}

/// Reads every node's file, and asks packagecloud for as many redirects as there are nodes.
pub(super) async fn read_nodes(session: &Session, answers: &OperatorAnswers, limit: Duration) -> SeenNodes {
    let sessions = session.list_all_node_sessions();
    let files = sessions.iter().map(|node| read_node(node, answers, limit));
    let asked = sessions.iter().map(|_| {
        super::limit_part_time(
            "packagecloud",
            limit,
            session.probe_packagecloud_redirect(answers, None).boxed(),
        )
    });
    let (files, asked) = tokio::join!(join_all(files), join_all(asked));
    let nodes = sessions.into_iter().zip(files).map(|(session, (config, own_reply))| SeenNode {
        name: session.host.transport.remote_host_name().unwrap_or("this host").to_owned(),
        session,
        config,
        own_reply,
    });
    let mut replies = Vec::new();
    let mut silent = None;
    for answer in asked {
        match answer {
            Ok(reply) => replies.extend(reply),
            Err(failure) => silent = silent.or(Some(failure)),
        }
    }
    let redirects = match (replies.is_empty(), silent) {
        (false, _) => RedirectSight::Seen(SampledRedirects::from_packagecloud_replies(replies)),
        (true, Some(failure)) => RedirectSight::Silent(failure),
        (true, None) => RedirectSight::NotAsked,
    };
    SeenNodes { nodes: nodes.collect(), redirects }
}

impl SeenNodes {
    /// Returns the first node whose file was read: of several nodes any one may be down.
    fn find_first_read_node(&self) -> Option<(usize, &SeenNode, &LoadedConfig)> {
        self.nodes
            .iter()
            .enumerate()
            .find_map(|(place, node)| Some((place, node, node.config.as_ref().ok()?)))
    }

    /// Returns the first file that was read.
    pub(super) fn first_config(&self) -> Option<&LoadedConfig> {
        self.find_first_read_node().map(|(_, _, config)| config)
    }

    /// Returns the secret in that file, where it holds one.
    pub(super) fn first_secret(&self) -> Option<&Secret> {
        self.find_first_read_node()?.1.secret_in_file()
    }

    /// Lists what each node answered itself, with its name.
    pub(super) fn list_own_replies(&self) -> impl Iterator<Item = (&str, &PackagecloudDownloadReply)> {
        self.nodes
            .iter()
            .filter_map(|node| Some((node.name.as_str(), node.own_reply.as_ref()?.as_ref().ok()?)))
    }

    /// Returns each secret that a file holds, once.
    pub(super) fn list_secrets(&self) -> Vec<Secret> {
        let mut all: Vec<Secret> = Vec::new();
        for secret in self.nodes.iter().filter_map(SeenNode::secret_in_file) {
            if !all.contains(secret) {
                all.push(secret.clone());
            }
        }
        all
    }

    /// Says where packages go, and whether every file says so.
    pub(super) fn add_switch(&self, status: &mut InstallStatus) {
        let switches: Vec<_> = self.nodes.iter().map(SeenNode::file_switch).collect();
        let targets = match &self.redirects {
            RedirectSight::Seen(redirects) => redirects.list_sampled_targets(),
            _ => self.list_own_replies().map(|(_, reply)| reply.classify_redirect_target()).collect(),
        };
        status.is_redirect_seen =
            targets.iter().any(|to| matches!(to, RedirectTarget::Edge | RedirectTarget::S3));
        let (switch, agreement) = judge_switch(&switches, &targets);
        status.switch = switch;
        status.nodes = self
            .nodes
            .iter()
            .zip(switches)
            .map(|(node, file)| NodeSwitchStatus { name: node.name.clone(), file })
            .collect();
        if switch != CloudFrontSwitchStatus::On {
            status.on_since = None;
        }
        for node in &self.nodes {
            if let Err(failure) = &node.config {
                let check = build_unknown_part(&format!("node {}", node.name), failure);
                let check = CheckResult { next: failure.next.clone(), ..check };
                status.add_part(check, FindingSeverity::Refused);
            }
        }
        self.add_own_redirects(status);
        status.add_part(self.check_redirect(agreement), self.redirect_severity());
    }

    /// Says what each node's own redirect is; nodes of which the same is wrong share a line.
    fn add_own_redirects(&self, status: &mut InstallStatus) {
        let mut judged: Vec<(String, CheckResult, FindingSeverity)> = Vec::new();
        for node in &self.nodes {
            if let Some(Err(why)) = &node.own_reply {
                let text = format!(
                    "{} could not be asked for its own redirect: {why}. It was judged by the answers of the site.",
                    node.name
                );
                status.add_fact("Node", text);
            }
            let Some((check, severity)) = node.judge_own_redirect() else { continue };
            let is_same = |known: &CheckResult| {
                check.has_failed() && known.detail == check.detail && known.next == check.next
            };
            match judged.iter_mut().find(|(_, known, _)| is_same(known)) {
                Some((names, ..)) => names.push_str(&format!(" and {}", node.name)),
                None => judged.push((node.name.clone(), check, severity)),
            }
        }
        status.is_redirect_seen |= self
            .list_own_replies()
            .any(|(_, reply)| reply.classify_redirect_target() != RedirectTarget::Elsewhere);
        for (names, check, severity) in judged {
            status.add_part(CheckResult { name: format!("redirect of {names}"), ..check }, severity);
        }
    }

    /// A packagecloud that answers and can't redirect refuses its customers; one that contradicts its file serves them.
    fn redirect_severity(&self) -> FindingSeverity {
        match &self.redirects {
            RedirectSight::Seen(redirects) if redirects.find_first_non_redirect_status().is_some() => {
                FindingSeverity::Refused
            }
            _ => FindingSeverity::Drifted,
        }
    }

    fn check_redirect(&self, agreement: RedirectAgreement) -> CheckResult {
        let unknown = |detail: String| CheckResult::new_unknown_check(REDIRECT_CHECK_NAME, detail);
        let redirects = match &self.redirects {
            RedirectSight::NotAsked => {
                return unknown("not asked: give a download URL of packagecloud with --probe-url".to_owned());
            }
            RedirectSight::Silent(failure) => {
                return unknown(format!("packagecloud does not answer: {failure}"));
            }
            RedirectSight::Seen(redirects) => redirects,
        };
        let ctl = self
            .nodes
            .first()
            .map(|node| node.session.host.ctl.render_ctl_command_line())
            .unwrap_or_default();
        if let Some(code) = redirects.find_first_non_redirect_status() {
            return match code {
                401 | 403 => unknown(format!("packagecloud answers {code}: {PROBE_TOKEN_ADVICE}")),
                500.. => CheckResult::new_failed_check(
                    REDIRECT_CHECK_NAME,
                    format!("packagecloud itself answers {code}"),
                    format!("see whether it runs, and read its log: {ctl} status && {ctl} tail"),
                ),
                code => unknown(format!(
                    "packagecloud answers {code} to --probe-url: name the download URL of a package that is there"
                )),
            };
        }
        let seen = redirects.describe_distinct_redirects().join(" and ");
        let follow = render_follow_advice();
        match agreement {
            RedirectAgreement::Agrees => CheckResult::new_passed_check(REDIRECT_CHECK_NAME, seen),
            RedirectAgreement::FileOn | RedirectAgreement::FileOff => {
                let file = if agreement == RedirectAgreement::FileOn { "on" } else { "off" };
                CheckResult::new_failed_check(
                    REDIRECT_CHECK_NAME,
                    format!("packagecloud.rb says {file}, and packagecloud answers {seen}"),
                    follow,
                )
            }
            RedirectAgreement::Mixed => CheckResult::new_failed_check(
                REDIRECT_CHECK_NAME,
                format!("{seen}: the web nodes have different settings"),
                format!(
                    "name every node with --host, and give all of them the same values: {}",
                    render_proposed_command("enable", &[])
                ),
            ),
        }
    }

    /// Says where nodes contradict each other; secrets that `accepts` knows are a rotation, and no contradiction.
    pub(super) fn add_node_agreement(
        &self,
        status: &mut InstallStatus,
        accepts: impl Fn(&Secret) -> Option<bool>,
    ) {
        let Some((place, first, config)) = self.find_first_read_node() else { return };
        let first = NodeConfig::build_node_config(&first.session, config);
        for node in &self.nodes[place + 1..] {
            let Ok(config) = &node.config else { continue };
            let other = NodeConfig::build_node_config(&node.session, config);
            let is_refused = node.secret_in_file().is_some_and(|secret| accepts(secret) == Some(false));
            let mut check = check_node_configs_agree(&first, &other, true, &[]);
            let severity = if is_refused {
                check.result = CheckVerdict::Fail;
                "the edge doesn't accept its cloudfront_secret: its links are refused"
                    .clone_into(&mut check.detail);
                check.next = format!(
                    "give it the secret of the other nodes: {}",
                    render_proposed_command("configuration", &["--show-secret"])
                );
                FindingSeverity::Refused
            } else {
                if check.result == CheckVerdict::Unknown {
                    check.result = CheckVerdict::Fail;
                    check.next =
                        format!("give it the same values: {}", render_proposed_command("enable", &[]));
                }
                FindingSeverity::Drifted
            };
            // Nodes that are all off need not agree.
            if status.switch != CloudFrontSwitchStatus::Off || !check.has_failed() {
                status.add_separate_part(check, severity);
            }
        }
    }
}

/// The failure of a packagecloud that wasn't asked, where one is needed.
pub(super) fn build_missing_file_failure() -> Failure {
    Failure::new(
        FailureKind::Missing,
        "packagecloud.rb",
        "it could not be read",
        "read it as root, or name it with --config",
    )
}
