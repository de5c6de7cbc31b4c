//! Function instances, at the edge and in us-east-1: one a version and place, each with its role's credentials, decrypting by
//! the sandbox's own KMS.
//!
//! An instance lives three quarters of an hour, as long as its credentials are sure to; then a new one is made.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::read_sandbox_edge_code;
use crate::{
    edge::runtime::{EdgeFunctionInstance, EdgeFunctionInvocation, EdgeKmsResponder},
    sandbox::Sandbox,
};

/// How long an instance is kept: less than the hour that its role's credentials last.
const INSTANCE_LIFETIME: Duration = Duration::from_mins(45);
/// The longest that a viewer waits for a function: the stricter of the limits that sources give (aws-facts section 1).
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Where an instance runs: CloudFront's copies are others than the one that Lambda's own Invoke reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SandboxFunctionPlace {
    Edge,
    UsEast1,
}

/// Why a function gave nothing.
#[derive(Debug)]
pub enum SandboxFunctionError {
    /// It isn't there, or its role can't be had.
    Invalid(String),
    /// It doesn't load.
    Unloadable(String),
    /// It took too long.
    TimedOut,
}

/// The instances, by place and version ARN, and when each was made.
pub type SandboxFunctionInstances =
    Mutex<HashMap<(SandboxFunctionPlace, String), (Duration, Arc<EdgeFunctionInstance>)>>;

/// Runs the function on an event; what it gave, or threw, and what it logged.
///
/// # Errors
/// Says why it can't be run, or that it took too long.
pub async fn run_sandbox_function_version(
    world: &Sandbox,
    place: SandboxFunctionPlace,
    version: &str,
    event: Value,
) -> Result<EdgeFunctionInvocation, SandboxFunctionError> {
    let function = get_or_create_function_instance(world, place, version)?;
    let running = function.invoke_function_handler_with_log(event, world.sandbox_unix_time_now());
    tokio::time::timeout(FUNCTION_TIMEOUT, running).await.map_err(|_| SandboxFunctionError::TimedOut)
}

fn get_or_create_function_instance(
    world: &Sandbox,
    place: SandboxFunctionPlace,
    version: &str,
) -> Result<Arc<EdgeFunctionInstance>, SandboxFunctionError> {
    let known = (place, version.to_owned());
    let now = world.sandbox_unix_time_now();
    let held = || world.sandbox_in_memory_state().functions.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((made, function)) = held().get(&known)
        && now < *made + INSTANCE_LIFETIME
    {
        return Ok(Arc::clone(function));
    }
    let invalid = |why: &str| SandboxFunctionError::Invalid(why.to_owned());
    let (zip, role) =
        read_sandbox_edge_code(world, version).ok_or_else(|| invalid("there is no such version"))?;
    let (id, secret, session) =
        world.issue_role_credentials(&role).ok_or_else(|| invalid("its role can't be assumed"))?;
    let environment = BTreeMap::from(
        [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_SESSION_TOKEN", session)]
            .map(|(name, value)| (name.to_owned(), value)),
    );
    // Weakly: the world holds the instance.
    let world = world.downgrade();
    let decrypt: EdgeKmsResponder = Arc::new(move |request| {
        let world = world.upgrade();
        Box::pin(async move {
            let world = world.ok_or("the sandbox is gone")?;
            world.handle_sandbox_request(request).await.map_err(|error| error.to_string())
        })
    });
    let function = Arc::new(
        EdgeFunctionInstance::start_edge_function_instance(&zip, environment, now, decrypt)
            .map_err(SandboxFunctionError::Unloadable)?,
    );
    held().insert(known, (now, Arc::clone(&function)));
    Ok(function)
}
