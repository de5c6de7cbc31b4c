//! The world on its disk: whole, shared, never back in time.

mod played;
pub mod setup;

use super::*;
use setup::open_sandbox_in_dir;

#[tokio::test]
async fn two_handles_on_one_directory_see_one_world() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (open_sandbox_in_dir(dir.path()), open_sandbox_in_dir(dir.path()));
    for round in 1..=3 {
        one.update_sandbox_state_on_disk(|state| state.iam.user.name = format!("one{round}"));
        assert_eq!(
            other.read_sandbox_state_from_disk(|state| state.iam.user.name.clone()),
            format!("one{round}")
        );
        other.update_sandbox_state_on_disk(|state| state.iam.user.name = format!("other{round}"));
        assert_eq!(
            one.read_sandbox_state_from_disk(|state| state.iam.user.name.clone()),
            format!("other{round}")
        );
    }
    assert_eq!(open_sandbox_in_dir(dir.path()).read_sandbox_state_from_disk(|state| state.generation), 6);
}

#[tokio::test]
async fn a_change_that_panics_leaves_the_world_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_in_dir(dir.path());
    world.update_sandbox_state_on_disk(|state| state.iam.user.name = "whole".into());
    let half = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.update_sandbox_state_on_disk(|state| {
            state.iam.user.name = "half".into();
            panic!("half-way");
        });
    }));
    assert!(half.is_err());
    open_sandbox_in_dir(dir.path()).update_sandbox_state_on_disk(|_| ());
    assert_eq!(world.read_sandbox_state_from_disk(|state| state.iam.user.name.clone()), "whole");
}

#[tokio::test]
async fn no_change_is_lost_between_two_that_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for world in [open_sandbox_in_dir(dir.path()), open_sandbox_in_dir(dir.path())] {
            scope.spawn(move || {
                for _ in 0..50 {
                    world.update_sandbox_state_on_disk(|state| state.iam.user.name.push('x'));
                }
            });
        }
    });
    let name =
        open_sandbox_in_dir(dir.path()).read_sandbox_state_from_disk(|state| state.iam.user.name.clone());
    assert_eq!(name.matches('x').count(), 1 + 100, "one stands in `sandbox`");
}

#[tokio::test]
async fn a_leftover_of_a_killed_process_is_not_the_world() {
    let dir = tempfile::tempdir().unwrap();
    open_sandbox_in_dir(dir.path()).update_sandbox_state_on_disk(|state| state.iam.user.name = "kept".into());
    std::fs::write(dir.path().join("world.json.new"), b"{\"generation\":9").unwrap();
    let world = open_sandbox_in_dir(dir.path());
    assert_eq!(world.read_sandbox_state_from_disk(|state| state.iam.user.name.clone()), "kept");
}

#[tokio::test]
async fn a_damaged_world_is_refused_and_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("world.json"), b"{").unwrap();
    let failure = Sandbox::open_sandbox_unseeded(&SandboxOptions {
        dir: dir.path().to_owned(),
        ..SandboxOptions::default()
    })
    .unwrap_err();
    assert!(failure.why.starts_with("world.json"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_world_opened_again_never_goes_back_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_in_dir(dir.path());
    tokio::time::advance(Duration::from_hours(1)).await;
    world.update_sandbox_state_on_disk(|_| ());
    let then = world.sandbox_unix_time_now();
    assert!(open_sandbox_in_dir(dir.path()).sandbox_unix_time_now() >= then);
}
