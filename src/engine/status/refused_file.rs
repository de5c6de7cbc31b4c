//! A packagecloud.rb that says on while packagecloud is off and the edge would refuse its links: no reconfigure is proposed then, as it has
//! customers refused.

use super::nodes::render_follow_advice;
use crate::engine::delivery::diagnosis::advise_to_copy_secret;
use crate::model::{
    run::proposed_command::render_proposed_command,
    status::{CloudFrontSwitchStatus, FindingSeverity, InstallStatus},
};

/// What says that links are refused for the secret in the file.
const SECRET_CHECK_NAME: &str = "edge-secret";
/// What is said of packagecloud itself, and not of the edge.
const PACKAGECLOUD_CHECK_PREFIXES: [&str; 3] = ["packagecloud-", "redirect of ", "node "];

/// Replaces the advice to have packagecloud follow its file, where that would send customers to an edge that refuses them.
pub(super) fn withdraw_advice_to_switch_on(status: &mut InstallStatus) {
    let is_off_somewhere =
        matches!(status.switch, CloudFrontSwitchStatus::Off | CloudFrontSwitchStatus::Mixed);
    if !is_off_somewhere || !status.says_any_file_on() {
        return;
    }
    let mut reasons: Vec<String> = Vec::new();
    for one in status.checks.iter().filter(|one| one.severity == Some(FindingSeverity::Refused)) {
        let name = &one.check.name;
        if !PACKAGECLOUD_CHECK_PREFIXES.iter().any(|of| name.starts_with(of)) && !reasons.contains(name) {
            reasons.push(name.clone());
        }
    }
    if reasons.is_empty() {
        return;
    }
    let next = render_stay_off_advice(&reasons);
    let withdrawn = [render_follow_advice(), advise_to_copy_secret()];
    for one in status.checks.iter_mut().filter(|one| withdrawn.contains(&one.check.next)) {
        one.check.next.clone_from(&next);
        if one.check.name == SECRET_CHECK_NAME {
            one.check
                .detail
                .push_str("; customers are refused as soon as packagecloud follows its file, which says on");
        }
    }
}

/// What keeps packagecloud off until links are accepted; `reasons` are the checks that say why they aren't.
fn render_stay_off_advice(reasons: &[String]) -> String {
    let off = render_proposed_command("disable", &[]);
    let on = render_proposed_command("enable", &[]);
    if reasons.iter().all(|name| [SECRET_CHECK_NAME, "signed-url"].contains(&name.as_str())) {
        format!(
            "make the file say off too: {off}; then switch on again, which has the edge accept the secret in the file, and tests a link first: {on}"
        )
    } else {
        format!(
            "make the file say off too: {off}; then correct what these say: {}; then switch on again, which tests a link first: {on}",
            reasons.join(", ")
        )
    }
}
