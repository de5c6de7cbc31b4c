//! The engine's ground on a sandbox in this process: what a command stands on, without the binary.

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use packagecloud_cloudfront::{
    aws::web::Web,
    engine::{Ground, Identities, SandboxFacts, Settings},
    host::{Clock, Host, State},
    sandbox::{self, World, seed},
};

/// As `--sandbox` lays it.
pub fn ground(world: &World) -> Ground {
    let state = State::open(&world.dir().join("state"), None).unwrap();
    let (played, clock) = (world.clone(), world.clone());
    let play: packagecloud_cloudfront::host::ctl::Play = std::sync::Arc::new(move |command, lines| {
        let world = played.clone();
        Box::pin(async move {
            Ok(sandbox::packagecloud::ctl(&world, &[command], &mut |line| {
                let _ = lines.send(line.to_owned());
            })
            .await)
        })
    });
    let host =
        Host::sandboxed(&world.dir().join("packagecloud.rb"), play, state, Clock::new(move || clock.now()));
    let config = world.sdk_config();
    let web = Web::new(
        world.http_client(),
        SharedAsyncSleep::new(TokioSleep::new()),
        config.time_source().unwrap(),
        None,
    );
    let settings = Settings {
        identities: Identities::Fixed(Box::new(config)),
        region: None,
        endpoint_url: None,
        sandbox: Some(SandboxFacts {
            bucket: seed::BUCKET.to_owned(),
            packagecloud: format!("https://{}", sandbox::router::PACKAGECLOUD_HOST),
            pace: 1.0,
        }),
        probe_token: sandbox::packagecloud::read_token(world)
            .map(packagecloud_cloudfront::model::secret::Secret::new),
        last: None,
        last_profile: None,
    };
    Ground::new(host, web, settings)
}
