//! A plan that is kept in a file, to be approved and made later (contract section 2): what a goal would change, and on what.
//!
//! It holds no secret: of a document that is written it has the digest alone, and no URL of packagecloud's.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    answers::{OperatorAnswers, OriginAccess, ReindexAnswers},
    goal::{OperatorGoal, RunStage, StageStep},
    plan::{PlannedChange, ResourceChangeKind, StagePlan},
};
use crate::model::{aws::names::ResourceNameSuffix, url::token::UrlTokenConstruction};

/// What the file's first member says.
const KEPT_PLAN_TYPE: &str = "kept plan";
/// Grows when a member goes or changes.
const KEPT_PLAN_FORMAT: u32 = 1;
/// How many differences are told.
const DIFFERENCES_TOLD_MAX: usize = 3;

/// What a goal would change, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptPlan {
    #[serde(rename = "type")]
    kind: String,
    format: u32,
    /// Of this program.
    pub version: String,
    /// When it was made: `2026-11-23 20:45:00 UTC`.
    pub made: String,
    pub account: String,
    pub bucket: String,
    /// packagecloud.rb on each node, in the order of `--host`: `web1:/etc/packagecloud/packagecloud.rb`.
    pub files: Vec<String>,
    pub goal: OperatorGoal,
    pub options: KeptPlanOptions,
    pub changes: Vec<KeptPlanChange>,
}

/// The answers that a plan depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptPlanOptions {
    pub name_suffix: ResourceNameSuffix,
    pub origin_access: OriginAccess,
    pub packages_domain: Option<String>,
    pub certificate: Option<String>,
    pub permissions_boundary: Option<String>,
    pub construction: Option<UrlTokenConstruction>,
    pub reindex: ReindexAnswers,
}

/// One change of a kept plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptPlanChange {
    pub stage: RunStage,
    pub step: StageStep,
    pub verb: ResourceChangeKind,
    pub target: String,
    /// SHA-256, hex, of what is written, where it can be read; the secret hidden in it.
    pub document: Option<String>,
}

/// Where and when a plan is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPlanOrigin {
    pub made: String,
    pub account: String,
    pub bucket: String,
    pub files: Vec<String>,
}

/// Why a file is no plan that can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptPlanFault {
    /// It ends in its middle.
    CutOff,
    /// It is something else, or was changed; what the reader says of it.
    NotAPlan(String),
    /// Its format is another version's.
    OtherFormat(u32),
}

impl KeptPlanFault {
    /// Says it, a lower-case fragment.
    #[must_use]
    pub fn describe_kept_plan_fault(&self) -> String {
        match self {
            Self::CutOff => "it ends in its middle: it was cut off".to_owned(),
            Self::NotAPlan(why) => format!("it holds no plan of this program: {why}"),
            Self::OtherFormat(format) => {
                format!("its format is {format}, and this version reads {KEPT_PLAN_FORMAT} alone")
            }
        }
    }
}

impl KeptPlanOptions {
    /// Takes those of `answers`.
    #[must_use]
    pub fn select_plan_options(answers: &OperatorAnswers) -> Self {
        Self {
            name_suffix: answers.suffix.clone(),
            origin_access: answers.origin_access,
            packages_domain: answers.packages_domain.clone(),
            certificate: answers.certificate.clone(),
            permissions_boundary: answers.permissions_boundary.clone(),
            construction: answers.construction,
            reindex: answers.reindex.clone(),
        }
    }

    /// Puts them in the place of those in `answers`.
    pub fn apply_plan_options(&self, answers: &mut OperatorAnswers) {
        answers.suffix = self.name_suffix.clone();
        answers.origin_access = self.origin_access;
        answers.packages_domain.clone_from(&self.packages_domain);
        answers.certificate.clone_from(&self.certificate);
        answers.permissions_boundary.clone_from(&self.permissions_boundary);
        answers.construction = self.construction;
        answers.reindex = self.reindex.clone();
    }
}

impl KeptPlan {
    /// Keeps what `plans` would change.
    #[must_use]
    pub fn new(origin: KeptPlanOrigin, answers: &OperatorAnswers, plans: &[StagePlan]) -> Self {
        let changes = plans.iter().flat_map(list_kept_changes_of_plan).collect();
        Self {
            kind: KEPT_PLAN_TYPE.to_owned(),
            format: KEPT_PLAN_FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made: origin.made,
            account: origin.account,
            bucket: origin.bucket,
            files: origin.files,
            goal: answers.goal.unwrap_or(OperatorGoal::Install),
            options: KeptPlanOptions::select_plan_options(answers),
            changes,
        }
    }

    /// Renders the file.
    #[must_use]
    pub fn render_kept_plan_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads a file that [`Self::render_kept_plan_json`] gave.
    ///
    /// # Errors
    /// Where it is cut off, something else, or of another format.
    pub fn parse_kept_plan_json(bytes: &[u8]) -> Result<Self, KeptPlanFault> {
        let not_a_plan = |error: &serde_json::Error| {
            if error.is_eof() { KeptPlanFault::CutOff } else { KeptPlanFault::NotAPlan(error.to_string()) }
        };
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| not_a_plan(&error))?;
        if value["type"] != KEPT_PLAN_TYPE {
            return Err(KeptPlanFault::NotAPlan("its type is another".to_owned()));
        }
        let format = value["format"].as_u64().and_then(|format| u32::try_from(format).ok()).unwrap_or(0);
        if format != KEPT_PLAN_FORMAT {
            return Err(KeptPlanFault::OtherFormat(format));
        }
        serde_json::from_value(value).map_err(|error| not_a_plan(&error))
    }

    /// Returns the digest by which a run that was begun with this plan is known again.
    #[must_use]
    pub fn compute_kept_plan_digest(&self) -> String {
        compute_sha256_hex(&self.render_kept_plan_json())
    }

    /// Tells what is another now than when the plan was made, but for the changes themselves; nothing where all is the same.
    #[must_use]
    pub fn describe_other_origin(&self, now: &KeptPlan) -> Option<String> {
        let differs = |what: &str, then: &str, now: &str| {
            (then != now).then(|| format!("it was made for {what} {then}, and this is {what} {now}"))
        };
        differs("version", &self.version, &now.version)
            .or_else(|| differs("account", &self.account, &now.account))
            .or_else(|| differs("bucket", &self.bucket, &now.bucket))
            .or_else(|| differs("the file", &self.files.join(", "), &now.files.join(", ")))
    }

    /// Tells how what would be changed now differs from this plan; nothing where it doesn't. `is_begun` where a run has made
    /// a part of it: then less may be left, and what AWS had no name for has one.
    #[must_use]
    pub fn describe_moved_changes(&self, now: &[KeptPlanChange], is_begun: bool) -> Option<String> {
        let mut left: Vec<&KeptPlanChange> = self.changes.iter().collect();
        let mut told = Vec::new();
        for one in now {
            let same = left
                .iter()
                .position(|planned| *planned == one)
                .or_else(|| left.iter().position(|planned| is_begun && planned.is_same_step(one)));
            if let Some(place) = same {
                left.remove(place);
                continue;
            }
            let rewritten = left.iter().position(|planned| planned.is_same_target(one));
            told.push(match rewritten {
                Some(place) => {
                    left.remove(place);
                    format!("what {one} writes is not what it was")
                }
                None => format!("{one} is to be done too, and isn't planned"),
            });
        }
        // Where nothing is left to do all of it stands, whoever made it.
        if !is_begun && !now.is_empty() {
            told.extend(
                left.iter().map(|planned| format!("{planned} is planned, and not to be done any more")),
            );
        }
        let more = told.len().saturating_sub(DIFFERENCES_TOLD_MAX);
        told.truncate(DIFFERENCES_TOLD_MAX);
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        (!told.is_empty()).then(|| format!("{}{more}", told.join("; ")))
    }
}

impl KeptPlanChange {
    fn is_same_target(&self, other: &Self) -> bool {
        self.is_same_step(other) && self.target == other.target
    }

    fn is_same_step(&self, other: &Self) -> bool {
        (self.stage, self.step, self.verb) == (other.stage, other.step, other.verb)
    }
}

impl std::fmt::Display for KeptPlanChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.verb.change_kind_name(), self.target, self.stage.stage_name())
    }
}

/// Lists what a plan would change, as it is kept.
#[must_use]
pub fn list_kept_changes_of_plan(plan: &StagePlan) -> Vec<KeptPlanChange> {
    // Verify proves what was made, and makes nothing: it is no part of a plan.
    let is_made =
        |change: &&PlannedChange| change.verb != ResourceChangeKind::Keep && change.stage != RunStage::Verify;
    let pending = plan.changes.iter().filter(is_made);
    pending.map(|change| keep_planned_change(plan, change)).collect()
}

fn keep_planned_change(plan: &StagePlan, change: &PlannedChange) -> KeptPlanChange {
    KeptPlanChange {
        stage: change.stage,
        step: change.step,
        verb: change.verb,
        target: change.target.clone(),
        document: plan.find_change_document(change).map(|text| compute_sha256_hex(&text)),
    }
}

fn compute_sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::aws::evidence::StageEvidence;

    fn plans() -> Vec<StagePlan> {
        let mut plan = StagePlan::new(StageEvidence::Overview);
        plan.add_planned_change(StageStep::Role, ResourceChangeKind::Create, "role", "none")
            .set_change_document("{}".to_owned());
        plan.add_planned_change(StageStep::Key, ResourceChangeKind::Create, "a key", "none");
        plan.add_planned_change(StageStep::KeyAlias, ResourceChangeKind::Keep, "alias", "it stands");
        vec![plan]
    }

    fn kept() -> KeptPlan {
        let origin = KeptPlanOrigin {
            made: "2026-11-23 20:45:00 UTC".into(),
            account: "1".into(),
            bucket: "b".into(),
            files: vec!["/etc/p.rb".into()],
        };
        KeptPlan::new(origin, &OperatorAnswers::default(), &plans())
    }

    #[test]
    fn it_comes_back_as_it_was_kept_and_a_piece_of_it_is_none() {
        let text = kept().render_kept_plan_json();
        assert_eq!(KeptPlan::parse_kept_plan_json(text.as_bytes()), Ok(kept()));
        assert_eq!(kept().changes.len(), 2, "what is kept is no change");
        for end in 0..text.trim_end().len() {
            assert_eq!(
                KeptPlan::parse_kept_plan_json(&text.as_bytes()[..end]),
                Err(KeptPlanFault::CutOff),
                "after {end} bytes"
            );
        }
        for other in ["[]", "7", "{}", "\"x\"", "{\"type\":\"version\"}", "not JSON", "\u{0}"] {
            let fault = KeptPlan::parse_kept_plan_json(other.as_bytes()).unwrap_err();
            assert!(matches!(fault, KeptPlanFault::NotAPlan(_)), "{other}: {fault:?}");
        }
        let newer = text.replace("\"format\": 1", "\"format\": 2");
        assert_eq!(KeptPlan::parse_kept_plan_json(newer.as_bytes()), Err(KeptPlanFault::OtherFormat(2)));
        let changed = text.replace("\"create\"", "\"delete\"");
        assert!(matches!(
            KeptPlan::parse_kept_plan_json(changed.as_bytes()),
            Err(KeptPlanFault::NotAPlan(_))
        ));
    }

    #[test]
    fn what_moved_is_named() {
        let plan = kept();
        let now = |edit: fn(&mut KeptPlan)| {
            let mut now = kept();
            edit(&mut now);
            now
        };
        assert_eq!(plan.describe_other_origin(&kept()), None);
        for (edit, words) in [
            ((|now| now.account = "2".into()) as fn(&mut KeptPlan), "for account 1, and this is account 2"),
            (|now| now.bucket = "c".into(), "for bucket b, and this is bucket c"),
            (|now| now.files = vec!["w:/p".into()], "for the file /etc/p.rb, and this is the file w:/p"),
            (|now| now.version = "9".into(), "and this is version 9"),
        ] {
            let told = plan.describe_other_origin(&now(edit)).unwrap();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn just_what_was_planned_is_made_and_after_a_break_what_is_left_of_it() {
        let plan = kept();
        let moved = |now: &[KeptPlanChange], is_begun| plan.describe_moved_changes(now, is_begun);
        let [role, key] = &plan.changes[..] else { panic!() };
        assert_eq!(moved(&plan.changes, false), None);
        assert_eq!(moved(&[], false), None, "all of it stands");
        assert_eq!(
            moved(std::slice::from_ref(key), false).unwrap(),
            "create role (overview) is planned, and not to be done any more"
        );
        assert_eq!(moved(std::slice::from_ref(key), true), None, "a run made the rest");
        let rewritten = KeptPlanChange { document: Some("other".into()), ..role.clone() };
        assert_eq!(
            moved(&[rewritten.clone(), key.clone()], false).unwrap(),
            "what create role (overview) writes is not what it was"
        );
        assert_eq!(moved(&[rewritten], true), None, "what it names has a name now");
        let other = KeptPlanChange { step: StageStep::Function, ..key.clone() };
        for is_begun in [false, true] {
            let told = moved(&[role.clone(), key.clone(), other.clone()], is_begun).unwrap();
            assert_eq!(told, "create a key (overview) is to be done too, and isn't planned");
        }
        let all = vec![other; 5];
        assert!(moved(&all, true).unwrap().ends_with("; and 2 more"));
    }
}
