//! How long a step usually takes, and what becomes of it when the program is closed meanwhile.

use super::goal::StageStep;

/// What is known of a wait before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsualWait {
    /// Completes `usually …`: `3 to 5 min`.
    pub usually: &'static str,
    /// What closing does, a sentence.
    pub when_closed: &'static str,
}

/// How long CloudFront usually takes until a change is at every edge (aws-facts section 3): each page says this figure.
pub const USUAL_DEPLOYMENT_TIME: &str = "3 to 15 min";

const GOES_ON_AT_AWS: &str =
    "You may close this: it continues at AWS, and the next start continues from there.";
const GOES_ON_ON_HOST: &str =
    "You may close this: packagecloud-ctl continues, and the next start looks at what came of it.";
const BEGINS_AGAIN: &str = "You may close this: the next start continues from here.";

/// Finds what is usual of a step; none where it takes no time that anybody waits for.
#[must_use]
pub fn find_usual_wait(step: StageStep) -> Option<UsualWait> {
    let wait = |usually, when_closed| Some(UsualWait { usually, when_closed });
    match step {
        StageStep::Deployed => wait(USUAL_DEPLOYMENT_TIME, GOES_ON_AT_AWS),
        StageStep::Certificate => wait("2 to 30 min after its DNS record is there", GOES_ON_AT_AWS),
        StageStep::BatchJobs => wait("2 to 30 min", GOES_ON_AT_AWS),
        StageStep::Invalidation => wait("1 to 3 min", GOES_ON_AT_AWS),
        StageStep::Function => wait("10 to 30 s", BEGINS_AGAIN),
        StageStep::FunctionVersion => wait("5 to 20 s", BEGINS_AGAIN),
        StageStep::VersionProof => wait("5 to 60 s", BEGINS_AGAIN),
        StageStep::KeyPolicy => wait("2 to 60 s", BEGINS_AGAIN),
        StageStep::EdgeReadings => wait("1 to 5 min", BEGINS_AGAIN),
        StageStep::Reconfigure => wait("1 to 3 min", GOES_ON_ON_HOST),
        StageStep::Restart => wait("20 to 90 s", GOES_ON_ON_HOST),
        StageStep::VendorReindex => wait("minutes to hours", GOES_ON_ON_HOST),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployment_takes_as_long_as_every_page_says() {
        assert_eq!(
            find_usual_wait(StageStep::Deployed).map(|wait| wait.usually),
            Some(USUAL_DEPLOYMENT_TIME)
        );
    }
}
