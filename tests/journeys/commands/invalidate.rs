//! `invalidate` by the real binary: what it refuses, what it asks, and what it says.

use packagecloud_cloudfront::sandbox::seed::BACKUP_BUCKET;

use super::journey_host::JourneyHost;

const KEY: &str = "1/2/ubuntu/package_files/97310.deb";

#[test]
fn bad_input_is_one_clear_sentence_and_changes_nothing() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    for (words, code, said) in [
        (&["invalidate", "--yes"][..], 2, "<KEY"),
        (&["invalidate", "--packages", KEY, "--yes"], 2, "cannot be used with"),
        (&["invalidate", "", "--yes"], 2, "names no object"),
        (&["invalidate", "https://d1.cloudfront.net/1/2/a.deb?t=1_2", "--yes"], 2, "it is a link, not a key"),
        (&["invalidate", "1//a.deb", "--yes"], 2, "no edge holds it"),
        (&["invalidate", KEY, "--bucket", BACKUP_BUCKET, "--yes"], 2, "--other-bucket"),
        (&["invalidate", KEY, "--bucket", "no-such-bucket", "--yes"], 1, "there is no bucket of this name"),
    ] {
        let ran = host.run_words(words);
        assert_eq!(ran.code, code, "{words:?}: {ran:#?}");
        ran.assert_contains(said);
    }
    let made = host.open_sandbox().read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().map(|one| one.invalidations.len()).sum::<usize>()
    });
    assert_eq!(made, 0);
}

#[test]
fn it_asks_first_and_says_each_step_in_json() {
    let host = JourneyHost::new();
    let early = host.run_line("invalidate --packages --yes");
    assert_eq!(early.code, 1, "{early:#?}");
    early.assert_contains("there is none for bucket").assert_contains("enable");
    host.run_successfully("enable --yes");

    let refused = host.run_line(&format!("invalidate {KEY}"));
    assert_eq!(refused.code, 2, "{refused:#?}");
    let proposed = refused.err.lines().last().unwrap().split_once("run: ").unwrap().1.to_owned();
    assert!(proposed.ends_with(&format!("invalidate {KEY} --yes")), "{proposed}");
    let ran = host.run_shell_line(&proposed);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.assert_contains("every edge has forgotten");

    let ran = host.run_line("invalidate --packages --yes --output json");
    assert_eq!(ran.code, 0, "{ran:#?}");
    let lines = ran.json_lines();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[1], kinds[kinds.len() - 1]), ("version", "started", "ended"), "{ran:#?}");
    assert!(lines[1..].iter().all(|line| line["stage"] == "invalidate"), "{ran:#?}");
    assert_eq!(lines[1]["step"], "invalidation");
    assert_eq!(lines[lines.len() - 1]["end"], "applied");
    assert!(host.run_line("verify").code == 0, "links go on working");
}
