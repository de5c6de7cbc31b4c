//! The wizard on a laptop, its host over ssh: by keys on a real terminal, from the first screen to the end of go-live and off again; and two operators.

use portable_pty::CommandBuilder;

use super::{
    farm::Farm,
    screen::{LOOKS, Terminal},
};

/// The wizard on a laptop whose state lies in `state`.
fn open(farm: &Farm, state: &std::path::Path) -> Terminal {
    let plain = farm.command_in(state, &[]);
    let mut command = CommandBuilder::new(plain.get_program());
    command.env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    command.args(plain.get_args());
    Terminal::of(command)
}

/// From the first screen to the first stage that writes.
fn to_the_secret(terminal: &mut Terminal) {
    terminal.see("Enter go on");
    terminal.press(b"\x1b[H\r"); // Home, Enter: the install
    terminal.enter(&LOOKS);
    terminal.see("Enter write the secret");
}

#[test]
fn from_the_first_screen_to_live_over_ssh() {
    let farm = Farm::new(&["web1"]);
    let node = &farm.nodes[0];
    let mut terminal = open(&farm, &farm.laptop("state"));
    to_the_secret(&mut terminal);
    terminal.pass(&["Enter write the secret", "Enter make these", "Enter make these", "Enter write this"]);
    terminal.see("Enter go live");
    let said = terminal.prose();
    assert!(said.contains("Tell customers behind a firewall"), "{said}");
    assert!(!farm.nodes[0].text("opt/ran").contains("reconfigure"));
    terminal.press(b"\r");
    terminal.see("Enter go on");
    let said = terminal.prose();
    for words in ["on since", "all 2 services are newer than the restart", "To switch off"] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert_eq!(node.applied().enabled, Some(true), "{said}");
    assert_eq!(node.applied(), node.values());
    assert_eq!((node.ran("reconfigure"), node.ran("restart")), (1, 1));
    terminal.press(b"\r");
    terminal.see("Enter finish");
    terminal.press(b"D");
    terminal.see("Enter switch CloudFront off");
    terminal.press(b"\r");
    terminal.see("off since");
    assert_eq!(node.applied().enabled, Some(false));
    terminal.press(b"q");
    assert_eq!(terminal.end("over ssh"), 0);
}

#[test]
fn an_operator_on_another_laptop_watches_and_takes_over() {
    let farm = Farm::new(&["web1"]);
    let node = &farm.nodes[0];
    farm.run(&["enable", "--prepare", "--yes"]).is(0, &[]);
    node.hold("reconfigure", true);
    let first = farm
        .command(&["enable", "--yes"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_mins(2);
    while node.ran("reconfigure") == 0 {
        assert!(std::time::Instant::now() < until, "the first never came to its reconfigure");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut second = open(&farm, &farm.other_laptop());
    second.see("Another run works on web1");
    let said = second.prose();
    assert!(said.contains(&format!("process {} (", first.id())), "{said}");
    second.press(b"\r");
    // What runs there is seen here as it goes on.
    second.glimpse("in the stage go-live");
    second.glimpse("Starting Chef Client");
    second.press(b"t");
    second.glimpse("leave it alone");
    std::thread::park_timeout(std::time::Duration::from_millis(450));
    second.press(b"y");
    second.glimpse("It was asked to end");
    node.hold("reconfigure", false);
    let ran = super::farm::Ran::of(&first.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}", ran.text);
    assert!(ran.text.contains(&format!("process {} (", second.pid())), "{}", ran.text);
    assert!(ran.text.contains("takes over: stopping after the request in flight"), "{}", ran.text);
    second.see("It has ended as asked");
    second.press(b"q");
    assert_eq!(second.end("the second operator"), 0);
}
