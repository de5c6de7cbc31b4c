//! The engine's ground on a sandbox in this process: what a command stands on, without the binary.

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use packagecloud_cloudfront::{
    aws::web::WebClient,
    engine::{IdentityLookup, SandboxFacts, Session, SessionSettings},
    host::{Host, HostClock, HostStateDir},
    sandbox::{self, Sandbox, seed},
};

/// As `--sandbox` lays it.
pub fn open_session(world: &Sandbox) -> Session {
    let state = HostStateDir::open(&world.dir().join("state"), None).unwrap();
    let (played, clock) = (world.clone(), world.clone());
    let play: packagecloud_cloudfront::host::ctl::SimulatedCtl =
        std::sync::Arc::new(move |command, lines| {
            let world = played.clone();
            Box::pin(async move {
                Ok(sandbox::packagecloud::run_ctl_command(&world, &[command], &mut |line| {
                    let _ = lines.send(line.to_owned());
                })
                .await)
            })
        });
    let host = Host::new_sandboxed(
        &world.dir().join("packagecloud.rb"),
        play,
        state,
        HostClock::new(move || clock.now()),
    );
    let config = world.sdk_config();
    let web = WebClient::new(
        world.http_client(),
        SharedAsyncSleep::new(TokioSleep::new()),
        config.time_source().unwrap(),
        None,
    );
    let settings = SessionSettings {
        identities: IdentityLookup::Fixed(Box::new(config)),
        region: None,
        endpoint_url: None,
        sandbox: Some(SandboxFacts {
            bucket: seed::SANDBOX_BUCKET.to_owned(),
            packagecloud: format!("https://{}", sandbox::router::PACKAGECLOUD_HOST),
            pace: 1.0,
        }),
        probe_token: sandbox::packagecloud::first_read_token(world)
            .map(packagecloud_cloudfront::model::secret::Secret::new),
        last: None,
        last_profile: None,
    };
    Session::new(host, web, settings)
}
