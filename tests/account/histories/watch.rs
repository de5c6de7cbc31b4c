//! What must hold at every instant of a story, looked at after every request and at every tick of the clock.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header};
use packagecloud_cloudfront::{
    model::{
        aws::names::MARKER_TAG,
        packagecloud::{config_file::ConfigFile, settings::CloudFrontSettingValues},
    },
    sandbox::{
        Sandbox, SandboxState,
        control_plane::s3,
        edge_location,
        ledger::SandboxApiCallRecord,
        packagecloud::{self, SandboxNodeSettings},
        router::PACKAGECLOUD_HOST,
        seed,
    },
};
use serde_json::Value;

use super::{
    diary::{describe_node_switches, is_diary_kept, write_diary_line},
    stage::list_config_paths,
};
use crate::resilience::sandbox_host::find_open_access;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoryRule {
    /// The bucket is never open, and no package is served without a token.
    ClosedBucket,
    /// A link that was valid a moment before is served.
    LinksServed,
    /// What isn't ours stays as it is.
    OthersUntouched,
    /// What is once there stays there.
    NothingDeleted,
    /// In the end there is one of everything.
    NothingDoubled,
    /// packagecloud.rb is the old one or the new one, and never else.
    ConfigOldOrNew,
    /// What was written while a reindex copied is what is there.
    UploadsKept,
    /// In the end the file, what runs and the redirects say the same.
    WordKept,
    /// Each failure has a next move, and following it ends in success.
    NextMoveWorks,
    /// What was begun before somebody switched off doesn't win over it.
    OffStaysOff,
}

/// A rule that didn't hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryViolation {
    pub rule: StoryRule,
    pub text: String,
}

/// A link that packagecloud gave out.
struct IssuedLink {
    url: String,
    /// World time until which it is to be served.
    until: Duration,
}

#[derive(Default)]
struct WatchedThings {
    violations: Vec<StoryViolation>,
    links: VecDeque<IssuedLink>,
    ticks: u64,
    /// Whether AWS was asked for anything since the last tick.
    is_busy: bool,
    /// How often KMS refused to decrypt, or gave no answer: nobody but the edge function asks for that.
    failed_decrypts: u64,
    /// What isn't ours, by its name.
    foreign: BTreeMap<String, String>,
    /// What is ours, by its name.
    made: BTreeSet<String>,
    /// packagecloud.rb without what is ours.
    configs: Vec<String>,
    /// What the diary told last of the nodes.
    told_switches: String,
    looks: u64,
    /// The content and the mark of each object that was written since the beginning.
    uploads: BTreeMap<String, (String, String)>,
}

/// Watches one world.
#[derive(Clone)]
pub struct StoryWatch(Arc<Mutex<WatchedThings>>);

/// By this attribute each writing of an object is told from the one before.
pub const UPLOAD_MARK: &str = "x-amz-meta-written";
const PACKAGE_KEY: &str = "1/2/ubuntu/package_files/97310.deb";
/// A link that ends within so many seconds may end before it is served.
const LINK_MARGIN: Duration = Duration::from_secs(2);
/// How many ticks pass between two looks while AWS is asked for nothing.
const QUIET_TICKS_PER_LOOK: u64 = 4;
const LINK_LIFETIME: Duration = Duration::from_mins(5);

impl StoryWatch {
    /// Begins to watch a world as it is now.
    pub fn begin_watch(world: &Sandbox) -> Self {
        let watch = Self(Arc::default());
        watch.accept_foreign_edits(world);
        let watching = watch.clone();
        world.set_sandbox_call_observer(Arc::new(move |world, call| watching.look_after_call(world, call)));
        watch
    }

    fn things(&self) -> MutexGuard<'_, WatchedThings> {
        self.0.lock().unwrap()
    }

    /// Notes that a rule didn't hold.
    pub fn note_violation(&self, rule: StoryRule, text: impl Into<String>) {
        let text = text.into();
        let mut things = self.things();
        if things.violations.iter().all(|one| one.rule != rule) {
            things.violations.push(StoryViolation { rule, text });
        }
    }

    /// Returns what didn't hold so far, each rule once.
    pub fn list_violations(&self) -> Vec<StoryViolation> {
        self.things().violations.clone()
    }

    /// Takes what isn't ours as it is now: another tool has just changed it.
    pub fn accept_foreign_edits(&self, world: &Sandbox) {
        let foreign = world.read_sandbox_state_from_disk(list_foreign_things);
        let paths = list_config_paths(world);
        let configs = paths.iter().map(|path| read_config_without_ours(path));
        let mut things = self.things();
        things.foreign = foreign;
        things.configs = configs.map(Result::unwrap_or_default).collect();
    }

    /// Notes what somebody has just written to an object.
    pub fn note_upload(&self, key: &str, blob: String, mark: String) {
        self.things().uploads.insert(key.to_owned(), (blob, mark));
    }

    fn look_after_call(&self, world: &Sandbox, call: &SandboxApiCallRecord) {
        if !matches!(call.service.as_str(), "cloudfront-edge" | "packagecloud") {
            let mut things = self.things();
            things.is_busy = true;
            things.failed_decrypts += u64::from(call.operation == "Decrypt" && call.status != Some(200));
        }
        if !call.write || matches!(call.service.as_str(), "cloudfront-edge" | "packagecloud") {
            return;
        }
        if call.operation != "CopyObject" {
            write_diary_line(world, || format!("  {}:{} {:?}", call.service, call.operation, call.status));
        }
        let at = || format!("after {}:{}", call.service, call.operation);
        if call.service == "s3" && call.operation == "CopyObject" {
            self.look_at_uploads(world, &at());
            return;
        }
        self.look_at_account(world, &at());
    }

    fn look_at_account(&self, world: &Sandbox, at: &str) {
        if let Some(open) = find_open_access(world) {
            self.note_violation(StoryRule::ClosedBucket, format!("{at}: {open}"));
        }
        let (foreign, made) =
            world.read_sandbox_state_from_disk(|state| (list_foreign_things(state), list_made_things(state)));
        let mut wrong = Vec::new();
        {
            let mut things = self.things();
            for (name, was) in &things.foreign {
                match foreign.get(name) {
                    Some(is) if is == was => {}
                    Some(is) => {
                        wrong.push((StoryRule::OthersUntouched, format!("{at}: {name} was {was}, is {is}")));
                    }
                    None => wrong.push((StoryRule::OthersUntouched, format!("{at}: {name} is gone"))),
                }
            }
            // What somebody else makes meanwhile is theirs from then on.
            for (name, is) in foreign {
                things.foreign.entry(name).or_insert(is);
            }
            for gone in things.made.difference(&made) {
                wrong.push((StoryRule::NothingDeleted, format!("{at}: {gone} is gone")));
            }
            things.made.extend(made);
        }
        wrong.into_iter().for_each(|(rule, text)| self.note_violation(rule, text));
    }

    fn write_switches_that_changed(&self, world: &Sandbox) {
        let switches = describe_node_switches(world);
        let mut things = self.things();
        if things.told_switches != switches {
            write_diary_line(world, || switches.clone());
            things.told_switches = switches;
        }
    }

    fn look_at_uploads(&self, world: &Sandbox, at: &str) {
        let uploads = self.things().uploads.clone();
        if uploads.is_empty() {
            return;
        }
        let older = world.sandbox_in_memory_state().objects.read_sandbox_bucket_from_disk(
            seed::SANDBOX_BUCKET,
            |objects| {
                uploads.iter().find_map(|(key, written)| {
                    let there = s3::find_newest_sandbox_object_version(objects, key).map(|object| {
                        let mark = object.attributes.get(UPLOAD_MARK).cloned().unwrap_or_default();
                        (object.blob.clone().unwrap_or_default(), mark)
                    });
                    (there.as_ref() != Some(written)).then(|| (key.clone(), there))
                })
            },
        );
        if let Some((key, there)) = older.unwrap() {
            // A fault of a story writes as somebody else does: that is what was written last, then.
            let objects = &world.sandbox_in_memory_state().objects;
            let content = there.as_ref().map(|(blob, _)| objects.read_sandbox_object_content(blob).unwrap());
            if content.is_some_and(|content| content.starts_with(b"written by somebody else")) {
                self.things().uploads.extend(there.map(|written| (key, written)));
                return;
            }
            self.note_violation(StoryRule::UploadsKept, format!("{at}: {key} isn't what was written last"));
        }
    }

    fn look_at_config(&self, world: &Sandbox) {
        let expected = self.things().configs.clone();
        for (path, expected) in list_config_paths(world).iter().zip(expected) {
            match read_config_without_ours(path) {
                Ok(config) if config == expected => {}
                Ok(config) => {
                    let text = format!("packagecloud.rb lost or gained what isn't ours: {config}");
                    self.note_violation(StoryRule::ConfigOldOrNew, text);
                }
                Err(why) => self.note_violation(StoryRule::ConfigOldOrNew, why),
            }
        }
    }

    /// Looks at everything that may change with the time alone, and lets clients fetch.
    pub async fn look_at_tick(&self, world: &Sandbox) {
        if is_diary_kept() {
            self.write_switches_that_changed(world);
        }
        let (ticks, is_busy) = {
            let mut things = self.things();
            things.ticks += 1;
            (things.ticks, std::mem::take(&mut things.is_busy))
        };
        // While nobody does anything, nothing but what was begun before comes true.
        if !is_busy && !ticks.is_multiple_of(QUIET_TICKS_PER_LOOK) {
            return;
        }
        self.look_at_account(world, "as time passed");
        self.look_at_config(world);
        let now = world.sandbox_unix_time_now();
        if let Some(url) = self.fetch_redirect(world).await {
            self.fetch_valid_link(world, &url, "a fresh link").await;
            let until = now + LINK_LIFETIME;
            self.things().links.push_back(IssuedLink { url, until });
        }
        let old = {
            let mut things = self.things();
            things.looks += 1;
            while things.links.front().is_some_and(|link| link.until < now + LINK_MARGIN) {
                things.links.pop_front();
            }
            // The oldest, then others by turns.
            let count = things.links.len().max(1) as u64;
            let at = if things.looks.is_multiple_of(2) { 0 } else { things.looks % count };
            things.links.get(at as usize).map(|link| link.url.clone())
        };
        if let Some(url) = old {
            self.fetch_valid_link(world, &url, "a link that was valid a moment before").await;
        }
        if ticks.is_multiple_of(4) {
            self.fetch_without_token(world).await;
        }
    }

    /// Asks packagecloud for a package; none while it starts.
    async fn fetch_redirect(&self, world: &Sandbox) -> Option<String> {
        let request = Request::get(format!("https://{PACKAGECLOUD_HOST}/{PACKAGE_KEY}"))
            .header(header::AUTHORIZATION, "Basic ZGVtby10b2tlbjo=")
            .body(Bytes::new())
            .unwrap();
        let answer = packagecloud::serve_packagecloud_request(world, request).await;
        match (answer.status().as_u16(), answer.headers().get(header::LOCATION)) {
            (302, Some(location)) => Some(location.to_str().unwrap().to_owned()),
            (502, _) => None,
            (status, _) => {
                let text = format!("packagecloud answers {status}");
                self.note_violation(StoryRule::LinksServed, text);
                None
            }
        }
    }

    async fn fetch_valid_link(&self, world: &Sandbox, url: &str, which: &str) {
        let failed_before = self.things().failed_decrypts;
        let status = fetch_status(world, url).await;
        // A story's fault is meant for the operator. Where it meets the edge function's own request, KMS is down for the edge.
        let is_kms_down = status == 503 && self.things().failed_decrypts > failed_before;
        if status != 200 && !is_kms_down {
            let host = url.split('/').nth(2).unwrap_or_default();
            let at = world.sandbox_unix_time_now().as_secs();
            let text = format!("{which} to {host} answers {status} at {at}");
            write_diary_line(world, || format!("BROKEN: {text}"));
            self.note_violation(StoryRule::LinksServed, text);
        }
    }

    async fn fetch_without_token(&self, world: &Sandbox) {
        let mut hosts: Vec<String> = world.read_sandbox_state_from_disk(|state| {
            state.cloudfront.distributions.values().map(|one| one.domain.clone()).collect()
        });
        hosts.push(format!("{}.s3.us-east-1.amazonaws.com", seed::SANDBOX_BUCKET));
        for host in hosts {
            if fetch_status(world, &format!("https://{host}/{PACKAGE_KEY}")).await == 200 {
                self.note_violation(StoryRule::ClosedBucket, format!("{host} serves without a token"));
            }
        }
    }

    /// Looks at all that must hold in the end.
    pub fn look_at_end(&self, world: &Sandbox) {
        self.look_at_account(world, "in the end");
        self.look_at_config(world);
        self.look_at_uploads(world, "in the end");
        for (name, count) in count_things_of_one(world) {
            if count > 1 {
                self.note_violation(StoryRule::NothingDoubled, format!("{count} {name}"));
            }
        }
        let packagecloud = world.read_sandbox_state_from_disk(|state| state.packagecloud.clone());
        for (place, path) in list_config_paths(world).iter().enumerate() {
            let bytes = std::fs::read(path).unwrap_or_default();
            let values = ConfigFile::parse_packagecloud_rb(&bytes).cloudfront_setting_values();
            let running =
                packagecloud.find_rendered_settings(place).into_iter().chain([&packagecloud.nodes[place]]);
            running.for_each(|running| self.look_at_running_node(place, &values, running));
        }
    }

    fn look_at_running_node(
        &self,
        place: usize,
        values: &CloudFrontSettingValues,
        running: &SandboxNodeSettings,
    ) {
        let is_on = values.enabled == Some(true);
        if running.enabled != is_on {
            let text = format!(
                "packagecloud.rb of node {place} says on: {is_on}, packagecloud runs on: {}",
                running.enabled
            );
            self.note_violation(StoryRule::WordKept, text);
        }
        let secret = values.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        if is_on && (running.secret != secret || running.domain != values.packages_domain) {
            let text = format!("node {place} runs on another secret or domain than its file holds");
            self.note_violation(StoryRule::WordKept, text);
        }
    }
}

/// How a client is answered.
async fn fetch_status(world: &Sandbox, url: &str) -> u16 {
    let host = url.split('/').nth(2).unwrap_or_default().to_owned();
    let request = Request::get(url).header(header::HOST, &host).body(Bytes::new()).unwrap();
    let answer = if host.ends_with(".amazonaws.com") {
        s3::handle_s3_api_call(world, request).await
    } else {
        edge_location::serve_viewer_request(world, request).await
    };
    answer.status().as_u16()
}

/// packagecloud.rb without the lines that are ours and those that are empty.
fn read_config_without_ours(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("packagecloud.rb: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    let is_theirs =
        |line: &&str| !line.trim().is_empty() && !line.to_ascii_lowercase().contains("cloudfront");
    Ok(text.lines().filter(is_theirs).collect::<Vec<_>>().join("\n"))
}

/// Our statements of the bucket policy, and those of others.
fn split_policy_statements(state: &SandboxState) -> (Vec<String>, Vec<String>) {
    let policy = state.s3.buckets[seed::SANDBOX_BUCKET].policy.clone().unwrap_or_default();
    let document: Value = serde_json::from_str(&policy).unwrap_or_default();
    let statements = document["Statement"].as_array().cloned().unwrap_or_default();
    let is_ours = |one: &Value| one["Sid"].as_str().unwrap_or_default().starts_with("PackagecloudCloudFront");
    let (ours, theirs): (Vec<_>, Vec<_>) = statements.into_iter().partition(is_ours);
    let text = |all: Vec<Value>| all.iter().map(ToString::to_string).collect();
    (text(ours), text(theirs))
}

/// A role's trust without what a fault of the story added to it as somebody else does.
fn read_trust_before_drift(trust: &str) -> String {
    let Ok(mut document) = serde_json::from_str::<Value>(trust) else { return trust.to_owned() };
    if let Some(statements) = document["Statement"].as_array_mut() {
        statements.retain(|one| one["Sid"] != "SomebodyElse");
    }
    document.to_string()
}

fn list_foreign_things(state: &SandboxState) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, role) in &state.iam.roles {
        if !role.tags.contains_key(MARKER_TAG) && !name.starts_with("AWSServiceRole") {
            all.insert(
                format!("role {name}"),
                format!("{} {:?} {:?}", read_trust_before_drift(&role.trust), role.policies, role.attached),
            );
        }
    }
    for statement in split_policy_statements(state).1 {
        all.insert(format!("statement {statement}"), String::new());
    }
    let bucket = &state.s3.buckets[seed::BACKUP_BUCKET];
    all.insert(format!("bucket {}", seed::BACKUP_BUCKET), format!("{:?}", bucket.policy));
    all
}

fn list_made_things(state: &SandboxState) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = state.iam.roles.keys().map(|name| format!("role {name}")).collect();
    all.extend(
        state.kms.keys.iter().filter(|(_, key)| key.state == "Enabled").map(|(id, _)| format!("key {id}")),
    );
    all.extend(state.kms.aliases.keys().map(|name| format!("alias {name}")));
    for (name, function) in &state.lambda.functions {
        all.insert(format!("function {name}"));
        all.extend(function.versions.iter().map(|version| format!("version {name}:{}", version.number)));
    }
    all.extend(state.cloudfront.identities.keys().map(|id| format!("identity {id}")));
    all.extend(state.cloudfront.distributions.keys().map(|id| format!("distribution {id}")));
    all.extend(state.cloudfront.policies.keys().map(|id| format!("cache policy {id}")));
    all
}

/// How many there are of what there may be one of.
fn count_things_of_one(world: &Sandbox) -> [(&'static str, usize); 6] {
    world.read_sandbox_state_from_disk(|state| {
        let ours = state.iam.roles.values().filter(|role| role.tags.contains_key(MARKER_TAG));
        [
            ("roles", ours.count()),
            (
                "keys",
                state.kms.keys.values().filter(|key| key.state == "Enabled" && !key.managed_by_aws).count(),
            ),
            ("key aliases", state.kms.aliases.len()),
            ("functions", state.lambda.functions.len()),
            ("identities", state.cloudfront.identities.len()),
            ("distributions", state.cloudfront.distributions.len()),
        ]
    })
}
