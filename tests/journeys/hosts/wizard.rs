//! The wizard on a laptop, its host over ssh: by keys on a real terminal, from the first screen to the end of go-live and off again; and two operators.

use std::io::{BufRead as _, BufReader};

use portable_pty::CommandBuilder;

use super::cluster::HostCluster;
use crate::terminal::wizard_terminal::WizardTerminal;

/// The wizard on a laptop whose state lies in `state`.
fn open_wizard(cluster: &HostCluster, state: &std::path::Path) -> WizardTerminal {
    let plain = cluster.cluster_command_in(state, &[]);
    let mut command = CommandBuilder::new(plain.get_program());
    command.env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    command.args(plain.get_args());
    WizardTerminal::spawn_command(command)
}

/// From the first screen to the first stage that writes.
fn drive_to_secret(terminal: &mut WizardTerminal) {
    terminal.wait_for_text("Enter continue");
    terminal.press_keys(b"\x1b[B\r"); // Down, Enter: the install
    terminal.begin_stepwise();
    terminal.wait_for_text("Enter write the secret");
}

#[test]
fn from_the_first_screen_to_live_over_ssh() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    let mut terminal = open_wizard(&cluster, &cluster.laptop_path("state"));
    drive_to_secret(&mut terminal);
    terminal.pass_stages(&[
        "Enter write the secret",
        "Enter create these",
        "Enter create these",
        "Enter write this",
    ]);
    terminal.wait_for_text("Enter go live");
    let said = terminal.right_pane_text();
    assert!(said.contains("Tell customers behind a firewall"), "{said}");
    assert!(!cluster.nodes[0].read_file("opt/ran").contains("reconfigure"));
    terminal.press_keys(b"\r");
    terminal.wait_for_text("Enter continue");
    let said = terminal.right_pane_text();
    for words in ["on since", "all 2 services are newer than the restart", "To switch off"] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert_eq!(node.applied_values().enabled, Some(true), "{said}");
    assert_eq!(node.applied_values(), node.config_values());
    assert_eq!((node.count_ctl_runs("reconfigure"), node.count_ctl_runs("restart")), (1, 1));
    terminal.press_keys(b"\r");
    terminal.wait_for_text("Enter leave");
    terminal.press_keys(b"D");
    terminal.wait_for_text("Enter switch CloudFront off");
    terminal.press_keys(b"\r");
    terminal.wait_for_text("off since");
    assert_eq!(node.applied_values().enabled, Some(false));
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("over ssh"), 0);
}

#[test]
fn an_operator_on_another_laptop_watches_and_takes_over() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    cluster.run_on_cluster(&["enable", "--prepare", "--yes"]).assert_exit(0, &[]);
    node.hold_ctl_command("reconfigure", true);
    let mut first = cluster
        .cluster_command(&["enable", "--yes"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_mins(2);
    while node.count_ctl_runs("reconfigure") == 0 {
        assert!(std::time::Instant::now() < until, "the first never came to its reconfigure");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut second = open_wizard(&cluster, &cluster.other_laptop_state());
    second.wait_for_text("Another run works on web1");
    let said = second.right_pane_text();
    assert!(said.contains(&format!("process {} (", first.id())), "{said}");
    second.press_keys(b"\r");
    // What runs there is seen here as it goes on.
    second.wait_for_moving_text("in the stage go-live");
    second.wait_for_moving_text("Starting Chef Client");
    second.press_keys(b"t");
    second.wait_for_moving_text("leave it alone");
    std::thread::park_timeout(std::time::Duration::from_millis(450));
    second.press_keys(b"y");
    second.wait_for_moving_text("It was asked to end");
    // The reconfigure goes on until the first has heard of it.
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines().map(Result::unwrap);
    let heard = lines.by_ref().find(|line| line.contains("takes over: ")).unwrap();
    assert!(heard.contains(&format!("process {} (", second.process_id())), "{heard}");
    assert!(heard.contains("waiting for the end of packagecloud-ctl reconfigure on web1"), "{heard}");
    node.hold_ctl_command("reconfigure", false);
    let errors: Vec<String> = lines.collect();
    assert_eq!(first.wait().unwrap().code(), Some(130), "{errors:?}");
    second.wait_for_text("It has ended as asked");
    second.press_keys(b"q");
    assert_eq!(second.assert_clean_exit("the second operator"), 0);
}
