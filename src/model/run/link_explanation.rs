//! A customer's link explained: from what the link says and what edge, bucket and packagecloud answered to one verdict with
//! one next move.

use super::{
    check::{CheckId, CheckResult},
    proposed_command::render_proposed_command,
};
use crate::model::failure::Failure;
use crate::model::url::{
    redirect::RedirectTarget,
    token::{EdgeTokenRefusal, InspectedUrl, UrlSigningScheme, UrlTokenConstruction, format_duration},
};

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkDestination {
    /// To this install's distribution, by its own name or the packages domain.
    PackagesDomain,
    /// To the bucket at S3.
    Bucket,
    /// To packagecloud itself, which answers with a link.
    Packagecloud,
    /// To another host.
    OtherHost,
    /// Neither packagecloud.rb nor AWS tells the packages domain.
    Untold,
}

/// Whether the bucket holds the object that a link names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkedObject {
    Present,
    Absent,
    /// The bucket could not be asked.
    Untold,
}

/// What the edge, or S3 for a link to the bucket, answered to the link itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkReply {
    /// The object came.
    Served,
    /// S3 says that there is no such object.
    NotFound,
    /// Why it was refused, and the next move.
    Refused { why: String, next: String },
    /// No answer came: why, and the next move.
    Unreachable { why: String, next: String },
    /// It was not asked, for this reason.
    NotAsked(String),
}

/// All that was found of a link.
#[derive(Debug, Clone)]
pub struct LinkFacts {
    pub inspected: InspectedUrl,
    /// What the edge accepts.
    pub accepted: UrlTokenConstruction,
    pub destination: LinkDestination,
    /// Where packages are served, as far as it is known.
    pub packages_domain: Option<String>,
    /// Where the secret stands that signed it: `/etc/packagecloud/packagecloud.rb on web2`.
    pub signer: Option<String>,
    /// Whether the edge accepts that secret, as far as AWS tells.
    pub is_signer_accepted: Option<bool>,
    pub object: LinkedObject,
    pub reply: LinkReply,
    /// Why packagecloud.rb, which holds the secret, can't be read though it is there.
    pub unreadable_config: Option<Failure>,
    /// What packagecloud answers to a download now, in words, and where that leads.
    pub redirect: Option<(String, RedirectTarget)>,
}

/// A link, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkExplanation {
    /// Label and text, a line each.
    pub findings: Vec<(&'static str, String)>,
    /// Passed: the link works; failed: it is refused, with the next move.
    pub verdict: CheckResult,
}

impl LinkFacts {
    /// Explains the link.
    #[must_use]
    pub fn explain_link(&self) -> LinkExplanation {
        LinkExplanation { findings: self.render_link_findings(), verdict: self.judge_link() }
    }

    fn render_link_findings(&self) -> Vec<(&'static str, String)> {
        let mut lines = self.inspected.render_signed_url_inspection(self.accepted);
        lines.extend(self.unreadable_config.iter().map(|failure| {
            ("file", format!("packagecloud.rb can't be read: {failure}. Next: {}", failure.next))
        }));
        match self.destination {
            LinkDestination::OtherHost => lines.push((
                "leads to",
                match &self.packages_domain {
                    Some(domain) => format!("another host; packages are served at {domain}"),
                    None => "another host; there is no packages domain".to_owned(),
                },
            )),
            LinkDestination::PackagesDomain => {
                lines.push(("leads to", "this install's distribution".to_owned()));
            }
            LinkDestination::Bucket => {
                lines.push(("leads to", "the bucket at S3, not CloudFront".to_owned()));
            }
            LinkDestination::Packagecloud => lines.push(("leads to", "packagecloud itself".to_owned())),
            LinkDestination::Untold => lines.push((
                "leads to",
                "can't be told: neither packagecloud.rb nor AWS names the packages domain".to_owned(),
            )),
        }
        if let Some(signer) = &self.signer {
            let accepted = match self.is_signer_accepted {
                Some(true) => "the edge accepts it",
                Some(false) => "the edge doesn't accept it",
                None => "whether the edge accepts it can't be told",
            };
            lines.push(("secret", format!("the one in {signer}; {accepted}")));
        }
        lines.push((
            "object",
            match self.object {
                LinkedObject::Present => "the bucket holds it".to_owned(),
                LinkedObject::Absent => "the bucket doesn't hold it".to_owned(),
                LinkedObject::Untold => "not asked: the bucket can't be reached from here".to_owned(),
            },
        ));
        lines.push((
            "asked now",
            match &self.reply {
                LinkReply::Served => "served: the first byte came".to_owned(),
                LinkReply::NotFound => "404: S3 has no such object".to_owned(),
                LinkReply::Refused { why, .. } => format!("refused: {why}"),
                LinkReply::Unreachable { why, .. } => format!("no answer: {why}"),
                LinkReply::NotAsked(why) => format!("not asked: {why}"),
            },
        ));
        lines.extend(
            self.redirect.iter().map(|(said, _)| ("new links", format!("packagecloud answers {said}"))),
        );
        lines
    }

    /// One verdict. What the link itself shows comes before what was answered: an expired link is refused whatever else is wrong.
    fn judge_link(&self) -> CheckResult {
        if self.destination == LinkDestination::Packagecloud {
            return self.judge_packagecloud_address();
        }
        match self.inspected.scheme {
            UrlSigningScheme::S3SigV2 | UrlSigningScheme::S3SigV4 => self.judge_s3_link(),
            UrlSigningScheme::CloudFrontCanned | UrlSigningScheme::CloudFrontPolicy => refuse(
                "it is signed with a CloudFront key pair, and the edge accepts packagecloud's token alone",
                ask_for_new_link(),
            ),
            _ if self.destination == LinkDestination::OtherHost => self.judge_other_host(),
            _ => self.judge_edge_link(),
        }
    }

    /// packagecloud's own address answers with a link where it is asked with a read token; it is no link itself.
    fn judge_packagecloud_address(&self) -> CheckResult {
        match &self.redirect {
            Some((said, RedirectTarget::Edge | RedirectTarget::S3)) => CheckResult::new_passed_check(
                CheckId::Verdict,
                format!("it is packagecloud's own address, and packagecloud answers {said}"),
            ),
            Some((said, RedirectTarget::Elsewhere)) => refuse(
                format!("packagecloud itself answers {said}; no link is given out"),
                "see that the client's read token is valid for this repository (netrc, the source list, pip's index URL), and that packagecloud runs",
            ),
            None => CheckResult::new_unknown_check(
                CheckId::Verdict,
                "it is packagecloud's own address, and packagecloud was not asked",
            ),
        }
    }

    fn judge_s3_link(&self) -> CheckResult {
        if self.is_expired() {
            return refuse(format!("it is a link to S3 that {}", self.describe_expiry()), ask_for_new_link());
        }
        match &self.reply {
            LinkReply::Refused { why, next } => refuse(format!("S3 refuses it: {why}"), next.clone()),
            reply => self.judge_reply(reply),
        }
    }

    fn judge_other_host(&self) -> CheckResult {
        let host = &self.inspected.host;
        let domain = self.packages_domain.as_deref().unwrap_or("no packages domain");
        refuse(
            format!(
                "it leads to {host}, and packages are served at {domain}: it was made before a change, or by another packagecloud"
            ),
            ask_for_new_link(),
        )
    }

    /// A link to the edge, with packagecloud's token or with none.
    fn judge_edge_link(&self) -> CheckResult {
        match self.inspected.refusal {
            Some(EdgeTokenRefusal::MissingToken) => refuse(
                "it has no token: somebody took the address without what stands behind the question mark",
                ask_for_new_link(),
            ),
            Some(EdgeTokenRefusal::MalformedToken) => refuse(
                "its token is damaged: a mail, a chat or a shell without quotes has changed or cut it",
                ask_for_new_link(),
            ),
            Some(EdgeTokenRefusal::BadPath) => {
                refuse("its path has no single meaning, so the edge refuses it", ask_for_new_link())
            }
            _ if self.is_expired() => refuse(
                format!("it {}; a link is valid for about five minutes", self.describe_expiry()),
                ask_for_new_link(),
            ),
            Some(EdgeTokenRefusal::BadSignature) if self.inspected.known => self.judge_bad_signature(),
            _ if self.is_signer_accepted == Some(false) => self.judge_signer_not_accepted(),
            _ => self.judge_reply(&self.reply),
        }
    }

    fn judge_bad_signature(&self) -> CheckResult {
        if let Some(construction) = self.inspected.construction {
            let accepted = self.accepted;
            let words = ["--construction", &construction.to_string()].map(str::to_owned);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            return refuse(
                format!("its token is made as {construction}, and the edge accepts {accepted}"),
                format!("have the edge accept it: {}", render_proposed_command("enable", &words)),
            );
        }
        // A link that the edge serves is right, whichever secrets are known here.
        if self.reply == LinkReply::Served {
            return self.judge_reply(&self.reply);
        }
        if let Some(failure) = &self.unreadable_config {
            return judge_without_config(failure);
        }
        refuse(
            "its token or its path was changed or cut off after signing, or it was signed with a secret that no reached node holds",
            format!(
                "ask packagecloud for a new link; if that is refused too, a web node has another cloudfront_secret: {}",
                render_proposed_command("verify", &[])
            ),
        )
    }

    fn judge_signer_not_accepted(&self) -> CheckResult {
        if self.reply == LinkReply::Served {
            return self.judge_reply(&self.reply);
        }
        let signer = self.signer.as_deref().unwrap_or("this host");
        refuse(
            format!("it is signed with the secret in {signer}, which the edge doesn't accept"),
            format!(
                "give that node the cloudfront_secret of a node whose links work (there: {}), then reconfigure and restart it",
                render_proposed_command("configuration", &["--show-secret"])
            ),
        )
    }

    /// What the answer to the link itself comes to.
    fn judge_reply(&self, reply: &LinkReply) -> CheckResult {
        match reply {
            LinkReply::Served => CheckResult {
                next: "if the customer still gets 403, it comes from between: have them allow this host in firewall and proxy, and compare their address with this one".to_owned(),
                ..CheckResult::new_passed_check(CheckId::Verdict, "the link works now, asked from here")
            },
            LinkReply::NotFound => refuse(
                "the link is valid, but the bucket doesn't hold this object: it was deleted or replaced",
                "have the client refresh its package lists (apt-get update, dnf clean metadata), then try again",
            ),
            _ if self.object == LinkedObject::Absent => refuse(
                "the bucket doesn't hold this object: it was deleted or replaced",
                "have the client refresh its package lists (apt-get update, dnf clean metadata), then try again",
            ),
            LinkReply::Refused { why, next } => refuse(why.clone(), next.clone()),
            LinkReply::Unreachable { why, next } => {
                CheckResult { next: next.clone(), ..CheckResult::new_unknown_check(CheckId::Verdict, why.clone()) }
            }
            LinkReply::NotAsked(_) if !self.inspected.known && self.unreadable_config.is_some() => {
                self.unreadable_config.as_ref().map(judge_without_config).expect("it was seen a line above")
            }
            LinkReply::NotAsked(_) if !self.inspected.known => CheckResult {
                next: "run it on packagecloud's host, or with --host, so that the secret can be read".to_owned(),
                ..CheckResult::new_unknown_check(
                    CheckId::Verdict,
                    "whether its signature is right can't be told without the secret",
                )
            },
            LinkReply::NotAsked(why) => CheckResult::new_unknown_check(
                CheckId::Verdict,
                format!("nothing is wrong in the link itself; the edge was not asked: {why}"),
            ),
        }
    }

    fn is_expired(&self) -> bool {
        self.inspected.expires.is_some_and(|expires| expires < self.inspected.now)
    }

    /// Says since when: `expired 3 h ago`.
    fn describe_expiry(&self) -> String {
        let gone = self.inspected.now.saturating_sub(self.inspected.expires.unwrap_or_default());
        format!("expired {} ago", format_duration(gone))
    }
}

/// The file that holds the secret is broken: nothing is said of the link before it is repaired.
fn judge_without_config(failure: &Failure) -> CheckResult {
    CheckResult {
        next: failure.next.clone(),
        ..CheckResult::new_unknown_check(
            CheckId::Verdict,
            format!("whether its signature is right can't be told: {failure}"),
        )
    }
}

fn refuse(why: impl Into<String>, next: impl Into<String>) -> CheckResult {
    CheckResult::new_failed_check(CheckId::Verdict, why, next)
}

/// What a customer does who has a link that no longer works.
fn ask_for_new_link() -> String {
    "have the client ask packagecloud's own address again, which answers with a new link; never keep a link in a script, a mirror list or a cache"
        .to_owned()
}

#[cfg(test)]
mod tests;
