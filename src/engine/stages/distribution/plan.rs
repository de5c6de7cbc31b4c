//! What the distribution stage would make or change, decided from what stands; touches nothing.

use super::{
    domain,
    guard::{carries, slots_are_free},
};
use crate::aws::cloudfront::is_domain;
use crate::engine::{
    resources::{
        adoption::{Adoption, adoption},
        bucket_key,
    },
    session::Scene,
};
use crate::model::{
    aws::{
        evidence::{Distribution, DistributionSeen, Origin, Ownership, Seen},
        names::Names,
    },
    run::{
        answers::Answers,
        failure::Failure,
        goal::{Stage, Step},
        plan::{Plan, Verb},
    },
};

const EVERY_BEHAVIOR: &str = "on the viewer request of every behavior";
const MINUTES: &str = "takes 3 to 15 minutes; customers notice nothing";

pub fn plan(seen: DistributionSeen, scene: &Scene, answers: &Answers) -> Result<Plan, Failure> {
    let names = &scene.names;
    let mut adopted = Adoption::default();
    let mut plan = Plan::new(Stage::Distribution, Seen::Nothing);
    cache_policy(&mut plan, &seen, names, &mut adopted)?;
    certificate(&mut plan, &seen);
    match &seen.distribution {
        None => to_make(&mut plan, &seen, names),
        Some(distribution) => {
            adopted.consider(
                adoption(&distribution.ownership, "distribution", &distribution.id, names)?,
                "its behaviors' viewer request, cache policy and origin access; its Comment and its tags",
            );
            slots_are_free(distribution, names)?;
            to_change(&mut plan, &seen, distribution, names);
        }
    }
    bucket_key::lines(&mut plan, &seen, names, &scene.account, answers);
    let line = if seen.granted && !seen.moving && !reads_otherwise(&seen, names) {
        plan.line(
            Step::BucketPolicy,
            Verb::Keep,
            names.bucket(),
            "CloudFront may read; every other statement stays",
        )
    } else {
        plan.line(Step::BucketPolicy, Verb::Update, names.bucket(), "CloudFront may read, granted only once the authenticator is deployed; every other statement stays")
    };
    line.calls.extend(["s3:GetBucketPolicy".into(), "s3:PutBucketPolicy".into()]);
    for change in &mut plan.changes {
        change
            .calls
            .push("by hand: packagecloud-ctl reconfigure-cloudfront-distribution <version ARN>".into());
    }
    plan.exhibit.extend(domain::records(&seen));
    plan.asks.extend(adopted.ask(answers, names));
    plan.seen = Seen::Distribution(Box::new(seen));
    Ok(plan)
}

fn cache_policy(
    plan: &mut Plan,
    seen: &DistributionSeen,
    names: &Names,
    adopted: &mut Adoption,
) -> Result<(), Failure> {
    match &seen.cache_policy {
        None => plan.line(
            Step::CachePolicy,
            Verb::Create,
            names.cache_policy(),
            "packages by their Cache-Control, all else never",
        ),
        Some(cache) => {
            let unmarked = adoption(&cache.ownership, "cache policy", &names.cache_policy(), names)?;
            let unmarked = adopted.consider(unmarked, "its times to live and its Comment");
            let (verb, why) = match (cache.right, unmarked) {
                (true, false) => (Verb::Keep, "its times to live are right"),
                (true, true) => (Verb::Update, "its times to live are right; it gets this program's Comment"),
                (false, _) => (Verb::Update, "its times to live or its key differ"),
            };
            plan.line(Step::CachePolicy, verb, &cache.id, why)
        }
    }
    .calls
    .extend([
        "cloudfront:ListCachePolicies".into(),
        "cloudfront:CreateCachePolicy".into(),
        "cloudfront:UpdateCachePolicy".into(),
    ]);
    Ok(())
}

fn certificate(plan: &mut Plan, seen: &DistributionSeen) {
    let Some(domain) = &seen.packages_domain else { return };
    let arn = &domain.certificate.arn;
    let calls = ["acm:ListCertificates".into(), "acm:DescribeCertificate".into()];
    if domain.certificate.issued() {
        plan.line(Step::Certificate, Verb::Keep, arn, format!("it is issued, and covers {}", domain.name))
            .calls
            .extend(calls);
    } else {
        let why = "it is not issued yet: this waits for ACM, which waits for the DNS record shown";
        plan.line(Step::Certificate, Verb::Run, arn, why).calls.extend(calls);
    }
}

fn version(seen: &DistributionSeen) -> &str {
    seen.version_arn.as_deref().unwrap_or("the version from the bootstrap")
}

fn to_make(plan: &mut Plan, seen: &DistributionSeen, names: &Names) {
    plan.line(
        Step::Distribution,
        Verb::Create,
        names.comment(),
        "serves the bucket, https only; nothing can read through it yet",
    )
    .calls
    .extend([
        "cloudfront:ListDistributions".into(),
        "cloudfront:CreateDistribution".into(),
        "cloudfront:TagResource".into(),
    ]);
    plan.line(Step::Authenticator, Verb::Attach, version(seen), EVERY_BEHAVIOR)
        .calls
        .extend(["lambda:GetFunction".into(), "lambda:EnableReplication*".into()]);
    plan.line(Step::Deployed, Verb::Run, "every edge", MINUTES);
}

fn to_change(plan: &mut Plan, seen: &DistributionSeen, distribution: &Distribution, names: &Names) {
    let differs = unlike(seen, distribution, names);
    // Tags are no part of what is deployed.
    let tags = (distribution.ownership == Ownership::Unmarked).then_some("it gets this install's tags");
    let changes: Vec<&str> = differs.iter().map(String::as_str).chain(tags).collect();
    if changes.is_empty() {
        plan.line(
            Step::Distribution,
            Verb::Keep,
            &distribution.id,
            format!("it is there: {}", distribution.domain),
        );
    } else {
        plan.line(Step::Distribution, Verb::Update, &distribution.id, changes.join("; ")).calls.extend([
            "cloudfront:GetDistributionConfig".into(),
            "cloudfront:UpdateDistribution".into(),
            "cloudfront:TagResource".into(),
        ]);
    }
    let carried = seen.version_arn.as_ref().is_some_and(|arn| carries(distribution, names, arn));
    if carried {
        plan.line(Step::Authenticator, Verb::Keep, version(seen), EVERY_BEHAVIOR);
    } else {
        let before = distribution.behaviors.iter().find_map(|behavior| behavior.viewer_request.as_ref());
        let why = before.map_or_else(
            || EVERY_BEHAVIOR.to_owned(),
            |before| {
                format!("{EVERY_BEHAVIOR}, where {before} is now; roll-back --edge {before} puts that back")
            },
        );
        plan.line(Step::Authenticator, Verb::Attach, version(seen), why)
            .calls
            .extend(["cloudfront:GetDistributionConfig".into(), "cloudfront:UpdateDistribution".into()]);
    }
    if carried && differs.is_empty() && distribution.status == "Deployed" {
        plan.line(Step::Deployed, Verb::Keep, &distribution.id, "every edge has it");
    } else {
        plan.line(Step::Deployed, Verb::Run, &distribution.id, MINUTES);
    }
}

/// What section 5 and the answers want and the distribution hasn't, but for the version: one fragment each.
fn unlike(seen: &DistributionSeen, distribution: &Distribution, names: &Names) -> Vec<String> {
    let mut all = distribution.differs.clone();
    if distribution.comment != names.comment() {
        all.push(format!("its Comment becomes {}", names.comment()));
    }
    for origin in bucket_origins(distribution, names) {
        if reads_as_another(seen, origin) {
            let whose = |identity: Option<&str>, control: Option<&str>| match (identity, control) {
                (Some(id), _) => format!("identity {id}"),
                (_, Some(id)) => format!("control {id}"),
                _ => "nobody".to_owned(),
            };
            let (identity, control) = wanted(seen);
            let now = whose(origin.identity.as_deref(), origin.control.as_deref());
            let then = whose(identity, control);
            let then = if then == "nobody" { "the one that is made" } else { &then };
            let both = if now == "nobody" { "" } else { ", and both may read until every edge has changed" };
            let why = if seen.by_control { format!(" ({})", seen.why_control) } else { String::new() };
            all.push(format!("origin access goes from {now} to {then}{why}{both}"));
        }
    }
    let right = seen.cache_policy.as_ref().map(|cache| cache.id.as_str());
    for behavior in &distribution.behaviors {
        let on_bucket = bucket_origins(distribution, names).any(|origin| origin.id == behavior.origin);
        if on_bucket && (right.is_none() || behavior.cache_policy.as_deref() != right) {
            let name = behavior
                .path
                .as_deref()
                .map_or("the default behavior".into(), |path| format!("behavior {path}"));
            all.push(format!("the cache policy of {name} is another"));
        }
    }
    if let Some(domain) = &seen.packages_domain {
        if !distribution.answers_to(&domain.name) {
            all.push(format!("{} becomes its alternate domain name", domain.name));
        } else if distribution.certificate.as_ref() != Some(&domain.certificate.arn) {
            all.push(format!("{} is served with {}", domain.name, domain.certificate.arn));
        }
    }
    all
}

fn bucket_origins<'a>(distribution: &'a Distribution, names: &Names) -> impl Iterator<Item = &'a Origin> {
    distribution.origins.iter().filter(|origin| is_domain(&origin.domain, names.bucket()))
}

/// The ids of the identity and of the control that origins of the bucket shall have.
fn wanted(seen: &DistributionSeen) -> (Option<&str>, Option<&str>) {
    if seen.by_control {
        (None, seen.control.as_ref().map(|control| control.id.as_str()))
    } else {
        (seen.identity.as_ref().map(|identity| identity.id.as_str()), None)
    }
}

fn reads_as_another(seen: &DistributionSeen, origin: &Origin) -> bool {
    let (identity, control) = wanted(seen);
    (identity.is_none() && control.is_none())
        || (origin.identity.as_deref(), origin.control.as_deref()) != (identity, control)
}

/// Whether the distribution that stands reads the bucket as another than it shall.
pub fn reads_otherwise(seen: &DistributionSeen, names: &Names) -> bool {
    seen.distribution.as_ref().is_some_and(|distribution| {
        bucket_origins(distribution, names).any(|origin| reads_as_another(seen, origin))
    })
}
