//! Function instances at the edge: one a version, each with its role's credentials, decrypting by the sandbox's own KMS.
//!
//! An instance lives three quarters of an hour, as long as its credentials are sure to; then a new one is made.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;

use crate::{
    edge::runtime::{EdgeFunctionInstance, EdgeKmsResponder},
    sandbox::{Sandbox, control_plane::lambda},
};

/// How long an instance is kept: less than the hour that its role's credentials last.
const INSTANCE_LIFETIME: Duration = Duration::from_mins(45);
/// The longest that a viewer waits for a function: the stricter of the limits that sources give (aws-facts section 1).
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a function gave nothing.
#[derive(Debug)]
pub enum SandboxEdgeFunctionError {
    /// It isn't there, or its role can't be had.
    Invalid(String),
    /// It threw, or took too long.
    Failed(String),
}

/// The instances, by version ARN, and when each was made.
pub type EdgeFunctionInstances = Mutex<HashMap<String, (Duration, Arc<EdgeFunctionInstance>)>>;

/// Runs the function on an event.
///
/// # Errors
/// Says why it can't be run, that it threw, or that it took too long.
pub async fn invoke_edge_function(
    world: &Sandbox,
    version: &str,
    event: Value,
) -> Result<Value, SandboxEdgeFunctionError> {
    let function = get_or_create_function_instance(world, version)?;
    match tokio::time::timeout(
        FUNCTION_TIMEOUT,
        function.invoke_function_handler(event, world.sandbox_unix_time_now()),
    )
    .await
    {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(thrown)) => Err(SandboxEdgeFunctionError::Failed(thrown)),
        Err(_) => Err(SandboxEdgeFunctionError::Failed("it took longer than 5 seconds".to_owned())),
    }
}

fn get_or_create_function_instance(
    world: &Sandbox,
    version: &str,
) -> Result<Arc<EdgeFunctionInstance>, SandboxEdgeFunctionError> {
    let now = world.sandbox_unix_time_now();
    let held = || world.sandbox_in_memory_state().functions.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((made, function)) = held().get(version)
        && now < *made + INSTANCE_LIFETIME
    {
        return Ok(Arc::clone(function));
    }
    let invalid = |why: &str| SandboxEdgeFunctionError::Invalid(why.to_owned());
    let (zip, role) =
        lambda::read_sandbox_edge_code(world, version).ok_or_else(|| invalid("there is no such version"))?;
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
        EdgeFunctionInstance::start_edge_function_instance(&zip, environment, decrypt)
            .map_err(SandboxEdgeFunctionError::Failed)?,
    );
    held().insert(version.to_owned(), (now, Arc::clone(&function)));
    Ok(function)
}
