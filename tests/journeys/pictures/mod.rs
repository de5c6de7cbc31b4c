//! The pictures of the README, made anew from the real program on a pty: by hand, by the script `pictures` of the tests.

mod drawing;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use portable_pty::{CommandBuilder, PtySize};

use crate::terminal::wizard_terminal::WizardTerminal;
use drawing::{
    DARK_PALETTE, LIGHT_PALETTE, TerminalPalette, read_screen_size, render_animation, render_picture,
    render_rows,
};

const PICTURE_ROWS: u16 = 30;
const PICTURE_COLUMNS: u16 = 100;
/// Where they are written; without it nothing is.
const PICTURES_DIR: &str = "PICTURES_DIR";
/// Between two frames of a journey.
const FRAME_INTERVAL: Duration = Duration::from_millis(400);
/// What all of them may take together, in bytes.
const ALL_PICTURES_MAX_BYTES: u64 = 300_000;

/// A wizard that is drawn.
struct DrawnWizard {
    terminal: WizardTerminal,
    palette: &'static TerminalPalette,
    frames: Vec<(Vec<String>, Duration)>,
}

impl DrawnWizard {
    fn open_drawn_wizard(dir: &Path, palette: &'static TerminalPalette, options: &[&str]) -> Self {
        // By its name alone, as it is typed: the screens propose commands with it.
        let program = Path::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        let mut command = CommandBuilder::new(program.file_name().unwrap());
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
        command.arg(format!("--sandbox={}", dir.display()));
        command.args(options);
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.1");
        command.env("COLORTERM", "truecolor");
        command.env("LANG", "C.UTF-8");
        command.env("COLORFGBG", if palette.name == "light" { "0;15" } else { "15;0" });
        let size = PtySize { rows: PICTURE_ROWS, cols: PICTURE_COLUMNS, ..PtySize::default() };
        let mut terminal = WizardTerminal::spawn_command_at(command, size);
        terminal.resize_terminal(PICTURE_ROWS, PICTURE_COLUMNS);
        // A terminal that is asked for its background (OSC 11) answers so.
        let light = if palette.name == "light" { "ffff/ffff/ffff" } else { "0000/0000/0000" };
        terminal.press_keys(format!("\x1b]11;rgb:{light}\x1b\\").as_bytes());
        Self { terminal, palette, frames: Vec::new() }
    }

    /// Waits until a text stands, and keeps the screen as a frame of the journey.
    fn show_text(&mut self, text: &str, time_ms: u64) {
        self.terminal.wait_for_text(text);
        let parser = self.terminal.parser.lock().unwrap();
        self.frames.push((render_rows(parser.screen(), self.palette), Duration::from_millis(time_ms)));
    }

    /// Keeps each screen that differs as a frame, until a text stands.
    fn show_until(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            let rows = render_rows(self.terminal.parser.lock().unwrap().screen(), self.palette);
            if self.frames.last().is_none_or(|(last, _)| *last != rows) {
                self.frames.push((rows, FRAME_INTERVAL));
            }
            if self.terminal.screen_text().contains(text) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(2), "{text}:\n{}", self.terminal.screen_text());
            std::thread::park_timeout(FRAME_INTERVAL);
        }
    }

    fn write_picture(&self, name: &str) {
        let drawn = render_picture(self.terminal.parser.lock().unwrap().screen(), self.palette);
        write_file(&format!("{name}-{}.svg", self.palette.name), &drawn);
    }

    fn press_keys(&mut self, keys: &[u8]) {
        self.terminal.press_keys(keys);
    }
}

fn pictures_dir() -> Option<PathBuf> {
    std::env::var_os(PICTURES_DIR).map(PathBuf::from)
}

fn write_file(name: &str, text: &str) {
    if let Some(dir) = pictures_dir() {
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), text).unwrap();
    }
}

/// A directory whose name says nothing of this machine.
fn new_sandbox_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("sandbox").rand_bytes(0).tempdir().unwrap()
}

/// Home, plan, run, live, by Enter alone.
fn draw_journey(palette: &'static TerminalPalette) {
    let dir = new_sandbox_dir();
    let mut wizard = DrawnWizard::open_drawn_wizard(dir.path(), palette, &[]);
    wizard.show_text("Enter continue", 2500);
    wizard.write_picture("home");
    wizard.press_keys(b"\r");
    wizard.show_text("Enter set this up", 3500);
    wizard.write_picture("plan");
    wizard.press_keys(b"\r");
    wizard.show_until("Upgrade: Distribution");
    wizard.write_picture("run");
    wizard.show_until("Enter go live");
    wizard.show_text("Enter go live", 2500);
    wizard.press_keys(b"\r");
    wizard.show_until("Enter leave");
    wizard.show_text("Enter leave", 4500);
    wizard.write_picture("live");
    if palette.name == "dark" {
        let animation = render_animation(&wizard.frames, (PICTURE_ROWS, PICTURE_COLUMNS), palette);
        write_file("journey.svg", &animation);
    }
    wizard.press_keys(b"\r");
    wizard.terminal.assert_clean_exit("a journey that is drawn");
}

/// A step that AWS denies.
fn draw_failure(palette: &'static TerminalPalette) {
    let dir = new_sandbox_dir();
    let options = ["--sandbox-fault", "kms:CreateKey:*:deny"];
    let mut wizard = DrawnWizard::open_drawn_wizard(dir.path(), palette, &options);
    wizard.terminal.enter_through(&["Enter continue", "Enter set this up"]);
    wizard.terminal.wait_for_text("kms:CreateKey is denied");
    wizard.write_picture("failure");
    wizard.press_keys(b"q");
    wizard.terminal.assert_clean_exit("a failure that is drawn");
}

#[test]
fn the_pictures_are_made_where_a_directory_is_named() {
    let Some(dir) = pictures_dir() else { return };
    for palette in [&DARK_PALETTE, &LIGHT_PALETTE] {
        draw_journey(palette);
        draw_failure(palette);
    }
    let bytes: u64 = fs::read_dir(dir).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < ALL_PICTURES_MAX_BYTES, "{bytes} bytes");
}

#[test]
fn pictures_are_drawn_of_a_screen_and_of_many() {
    let mut parser = vt100::Parser::new(2.try_into().unwrap(), 8.try_into().unwrap(), 0);
    parser.process("a\x1b[1;31m<b>\x1b[0m\r\n\x1b[7mü\x1b[0m".as_bytes());
    let picture = render_picture(parser.screen(), &DARK_PALETTE);
    assert!(picture.contains("&lt;b&gt;") && picture.contains(DARK_PALETTE.sixteen[1]), "{picture}");
    assert!(picture.contains("<rect x=\"14.0\" width=\"8.4\""), "{picture}");
    let rows = render_rows(parser.screen(), &DARK_PALETTE);
    let frames = [(rows.clone(), Duration::from_secs(1)), (rows, Duration::from_secs(3))];
    let animation = render_animation(&frames, read_screen_size(parser.screen()), &DARK_PALETTE);
    assert_eq!(animation.matches("<g id=").count(), 2, "a row that comes again is drawn once: {animation}");
    assert_eq!(animation.matches("<use ").count(), 4, "{animation}");
    assert!(animation.contains("k1{0%{visibility:hidden}25.00%{visibility:visible}"), "{animation}");
}
