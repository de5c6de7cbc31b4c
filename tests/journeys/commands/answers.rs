//! Answers in advance: what a file answers isn't asked, what it leaves open is named, and what it doesn't name it consents to never.

use std::os::unix::fs::PermissionsExt as _;

use super::journey_host::{JourneyHost, JourneyRun};

fn run_with_answers(host: &JourneyHost, answers: &str, line: &str) -> JourneyRun {
    let file = host.root_path().join("answers.toml");
    std::fs::write(&file, answers).unwrap();
    let file = file.display().to_string();
    let mut words = vec!["--answers", &file];
    words.extend(line.split(' ').filter(|word| !word.is_empty()));
    host.run_words(&words)
}

#[test]
fn a_file_without_a_yes_changes_nothing_and_names_the_whole_command() {
    let host = JourneyHost::new();
    let ran =
        run_with_answers(&host, "goal = \"upgrade\"\nbucket = \"packagecloud-sandbox-999999999999\"\n", "");
    assert_eq!(ran.code, 2, "{ran:#?}");
    ran.assert_contains("--yes was not given").assert_contains("--answers ");
    assert!(!host.config_text().contains("cloudfront_secret"), "{}", host.config_text());
}

#[test]
fn what_the_file_leaves_open_is_named() {
    let host = JourneyHost::new();
    let ran = run_with_answers(&host, "bucket = \"packagecloud-sandbox-999999999999\"\n", "--yes");
    assert_eq!(ran.code, 2, "{ran:#?}");
    ran.assert_contains("the question goal").assert_contains("goal = \"install\"");
    let ran = run_with_answers(&host, "goal = \"roll-back\"\n", "--yes");
    assert_eq!(ran.code, 2, "{ran:#?}");
    ran.assert_contains("the question backup");
}

#[test]
fn a_line_that_is_not_known_is_refused_before_anything_else_but_switching_off_goes_on() {
    let host = JourneyHost::new();
    host.run_successfully("enable --upgrade --yes");
    let bad = "goal = \"install\"\nsecret = \"not-to-be-shown\"\n";
    for line in ["enable --yes", "plan", "check", "--yes"] {
        let ran = run_with_answers(&host, bad, line);
        assert_eq!(ran.code, 2, "{line}: {ran:#?}");
        ran.assert_contains("line 2: secret is no answer that this program knows")
            .assert_contains("bucket, region");
        assert!(!format!("{ran:?}").contains("not-to-be-shown"), "{ran:#?}");
    }
    let ran = run_with_answers(&host, bad, "disable --yes");
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(host.read_values()["cloudfront_enabled"], false);
}

#[test]
fn a_consent_of_its_own_is_given_by_name_alone() {
    let host = JourneyHost::new();
    host.run_line("plan");
    host.write_config(&format!(
        "# This file is managed by Chef; local changes are lost\n{}",
        host.config_text()
    ));
    let ran = run_with_answers(&host, "goal = \"upgrade\"\n", "--yes");
    assert_eq!(ran.code, 2, "{ran:#?}");
    ran.assert_contains("--managed");
    let ran = run_with_answers(&host, "goal = \"upgrade\"\nmanaged = \"write\"\n", "--yes");
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(host.read_values()["cloudfront_enabled"], true);
}

#[test]
fn what_one_host_answered_sets_up_the_next() {
    let (first, second) = (JourneyHost::new(), JourneyHost::new());
    let kept = first.root_path().join("kept.toml");
    let kept_path = kept.display().to_string();
    let line =
        format!("--save-answers {kept_path} enable --upgrade --skip-reindex --origin-access oac --yes");
    let ran = first.run_successfully(&line);
    ran.assert_contains("The answers are in ").assert_contains("--answers ");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&kept).unwrap();
    for line in ["goal = \"upgrade\"", "skip-reindex = true", "origin-access = \"oac\""] {
        assert!(text.lines().any(|one| one == line), "{line} is missing in:\n{text}");
    }
    let secret = first.read_values()["cloudfront_secret"].as_str().unwrap().to_owned();
    assert!(!text.contains(&secret), "{text}");
    let ran = second.run_words(&["--answers", &kept_path, "--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(second.read_values()["cloudfront_enabled"], true);
    // The same answers again come to the same file.
    let again = second.root_path().join("again.toml");
    let again_path = again.display().to_string();
    let ran = second.run_words(&["--answers", &kept_path, "--save-answers", &again_path, "--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(std::fs::read_to_string(&again).unwrap(), text);
}

#[test]
fn a_place_where_no_answers_can_be_written_is_refused_before_anything_is_done() {
    let host = JourneyHost::new();
    let ran = host.run_line("--save-answers /no/such/place.toml enable --upgrade --yes");
    assert_eq!(ran.code, 2, "{ran:#?}");
    ran.assert_contains("--save-answers /no/such/place.toml");
    assert!(!host.config_path().exists() || !host.config_text().contains("cloudfront_secret"));
}
