//! Two web nodes: one goes live alone, the other follows; both are switched off at once, past one that is down.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use packagecloud_cloudfront::model::secret::Secret;

use super::{
    farm::{Farm, Ran, SECRET},
    node::Node,
};

#[track_caller]
fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(2);
    while !done() {
        assert!(Instant::now() < end, "{what} never happened");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn on(node: &Node) -> bool {
    node.applied().enabled == Some(true)
}

#[test]
fn the_first_goes_live_alone_and_the_other_follows_with_the_same_values() {
    let farm = Farm::new(&["web1", "web2"]);
    let [first, second] = &farm.nodes[..] else { panic!() };
    // The second holds a secret already, and no other is made.
    second.write(
        "etc/packagecloud.rb",
        &format!("{}packagecloud_rails['cloudfront_secret'] = '{SECRET}'\n", second.config()),
    );
    first.hold("restart", true);
    let child =
        farm.command(&["enable", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the first's restart", || first.ran("restart") == 1);
    assert_eq!(first.values().enabled, Some(true));
    assert_eq!(second.values().enabled, None, "the canary is alone");
    assert_eq!(second.values().secret, Some(Secret::new(SECRET)));
    assert_eq!(second.ran("reconfigure"), 0);
    first.hold("restart", false);
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.is(
        0,
        &["web1: on since", "on too: web2 (all 2 services are newer than the restart)", "10 of 10 redirects"],
    );
    assert_eq!(first.values().secret, Some(Secret::new(SECRET)), "the second's, not a new one");
    assert_eq!(first.values(), second.values());
    assert!(on(first) && on(second));
    assert_eq!((first.ran("reconfigure"), second.ran("reconfigure")), (1, 1));

    farm.run(&["plan"]).is(0, &[]);
    farm.run(&["verify"]).is(0, &["node web2", "says the same as that of web1"]);

    // One runs on another file than it holds: its answers are named.
    std::fs::remove_file(second.path("opt/applied.rb")).unwrap();
    farm.run(&["verify"]).is(3, &["5 of 10 redirects go to CloudFront", "another web node is set otherwise"]);
    second.write(
        "etc/packagecloud.rb",
        &second.config().replace("cloudfront_enabled'] = true", "cloudfront_enabled'] = false"),
    );
    farm.run(&["verify"]).is(
        3,
        &[
            "node web2",
            "cloudfront_enabled is false there and true on web1",
            "enable, with the same --host options",
        ],
    );
    // The first isn't touched again for that.
    farm.run(&["enable", "--yes"]).is(0, &["on too: web2"]);
    assert!(on(second) && second.ran("reconfigure") == 2);
}

#[test]
fn a_node_whose_links_the_edge_refuses_is_taken_back_alone() {
    let farm = Farm::new(&["web1", "web2"]);
    let [first, second] = &farm.nodes[..] else { panic!() };
    // It renders something else than its file says.
    let ctl = second.text("opt/bin/packagecloud-ctl");
    second.program(
        "opt/bin/packagecloud-ctl",
        &ctl.replace(
            "cp /etc/packagecloud/packagecloud.rb $opt/rendered.rb",
            &format!("sed \"s/\\(cloudfront_secret'\\] = \\).*/\\1'{SECRET}'/\" /etc/packagecloud/packagecloud.rb >$opt/rendered.rb"),
        ),
    );
    let ran = farm.run(&["enable", "--yes"]);
    ran.is(1, &["web2 alone is off, the nodes before it stay on"]);
    assert!(on(first), "{}", ran.text);
    assert_eq!((second.values().enabled, on(second)), (Some(false), false), "{}", ran.text);
}

#[test]
fn both_are_switched_off_at_once() {
    let farm = Farm::new(&["web1", "web2"]);
    farm.run(&["enable", "--yes"]).is(0, &[]);
    for node in &farm.nodes {
        node.hold("reconfigure", true);
    }
    let child =
        farm.command(&["disable", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Neither goes on before it is let go: so both run at the same time.
    until("both reconfigure", || farm.nodes.iter().all(|node| node.ran("reconfigure") == 2));
    for node in &farm.nodes {
        assert_eq!(node.values().enabled, Some(false));
        node.hold("reconfigure", false);
    }
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.is(0, &["off since", " on web1, web2", "302 to S3"]);
    assert!(farm.nodes.iter().all(|node| !on(node)));
    farm.run(&["disable", "--yes"]).is(0, &["Disable: nothing to do"]);
}

#[test]
fn another_operator_is_told_who_runs_and_keeps_it_from_going_live() {
    let farm = Farm::new(&["web1"]);
    let node = &farm.nodes[0];
    farm.run(&["enable", "--prepare", "--yes"]).is(0, &[]);
    node.hold("reconfigure", true);
    let child =
        farm.command(&["enable", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the reconfigure", || node.ran("reconfigure") == 1);
    let other = |words: &[&str]| {
        let output = farm.command_in(&farm.other_laptop(), words).output().unwrap();
        Ran::of(&output)
    };
    let ran = other(&["enable", "--yes"]);
    ran.is(1, &["another run on web1", &format!("process {} (", child.id()), ") on ", "runs since"])
        .one_error();
    // Switching off waits for nobody but for the command that runs.
    let off = farm
        .command_in(&farm.other_laptop(), &["disable", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the file says false", || node.values().enabled == Some(false));
    node.hold("reconfigure", false);
    Ran::of(&off.wait_with_output().unwrap()).is(0, &["Another run works on web1", "off since"]);
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{}", ran.text);
    assert!(!on(node), "{}", ran.text);
    assert_eq!(node.values().enabled, Some(false), "{}", ran.text);
    // A lock ends with who held it.
    other(&["enable", "--yes"]).is(0, &[]);
}
