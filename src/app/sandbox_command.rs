//! The `sandbox` command: imports a directory into a sandbox, or serves it on loopback.

use std::path::Path;

use crate::{
    args::{GlobalOptions, OutputFormat, SandboxCommand},
    cli,
    model::failure::Failure,
    outln, sandbox,
};

use super::compose::open_sandbox_dir;

/// Runs one of the commands below `sandbox`.
///
/// # Errors
/// Where the sandbox can't be opened, filled or served.
pub(super) async fn run_sandbox_command(
    global: &GlobalOptions,
    command: &SandboxCommand,
) -> Result<(), Failure> {
    match command {
        SandboxCommand::Import { dir, path } => import_objects_into_sandbox(global, dir, path),
        SandboxCommand::Serve { dir, aws_port, front_port, edge_port, lagging_node } => {
            serve_sandbox(global, dir, [*aws_port, *front_port, *edge_port], *lagging_node).await
        }
    }
}

fn import_objects_into_sandbox(global: &GlobalOptions, dir: &Path, path: &Path) -> Result<(), Failure> {
    let mut global = global.clone();
    global.sandbox_empty = true;
    let world = open_sandbox_dir(&global, Some(dir))?;
    let done = sandbox::import::import_directory_into_bucket(
        &world,
        sandbox::seed::SANDBOX_BUCKET,
        path,
        &mut |_| {},
    )?;
    let bucket = sandbox::seed::SANDBOX_BUCKET;
    if global.output == OutputFormat::Json {
        cli::json::print_json_line(&cli::json::render_version_json(true));
        cli::json::print_json_line(
            &serde_json::json!({"type": "imported", "bucket": bucket, "objects": done.objects}),
        );
    } else {
        outln!("{} objects imported into {bucket}.", done.objects);
    }
    Ok(())
}

/// Serves the sandbox in `dir` on loopback until it is interrupted or asked to end.
async fn serve_sandbox(
    global: &GlobalOptions,
    dir: &Path,
    ports: [u16; 3],
    lagging_node: bool,
) -> Result<(), Failure> {
    let world = open_sandbox_dir(global, Some(dir))?;
    let at = world.sandbox_dir().to_owned();
    if let Ok(Some(there)) =
        tokio::task::spawn_blocking(move || sandbox::serve::find_running_sandbox_addresses(&at)).await
    {
        return Err(Failure::new_generic_failure(
            format!("sandbox {}", dir.display()),
            format!("process {} serves it already, its AWS at {}", there.pid, there.aws),
            "use that one, or end it first",
        ));
    }
    if lagging_node {
        sandbox::packagecloud::add_unrestarted_sandbox_web_node(&world);
    } else {
        sandbox::packagecloud::remove_sandbox_unrestarted_node(&world);
    }
    let [aws, front, edge] = ports;
    let serving = sandbox::serve::start_sandbox_server(&world, aws, front, edge).await?;
    let at = &serving.addresses;
    if global.output == OutputFormat::Json {
        cli::json::print_json_line(&cli::json::render_version_json(true));
        cli::json::print_json_line(&serde_json::json!({
            "type": "serving", "aws": at.aws, "packagecloud": at.packagecloud, "cloudfront": at.cloudfront,
        }));
    } else {
        outln!("AWS            {}", at.aws);
        outln!("packagecloud   {}", at.packagecloud);
        if lagging_node {
            outln!("               two web nodes by turns; a restart doesn't reach the second");
        }
        outln!("CloudFront     {}", at.cloudfront);
        outln!("Ctrl-C ends it.");
    }
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| Failure::new_generic_failure("signals", error.to_string(), "try again"))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = ended.recv() => {}
    }
    Ok(())
}
