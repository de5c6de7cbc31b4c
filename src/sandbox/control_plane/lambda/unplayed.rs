//! The names of Lambda's operations that the sandbox lacks.

use std::borrow::Cow;

use http::{Method, Uri};

use crate::sandbox::control_plane::describe_unknown_operation;

/// Names an operation by its method and its path, as Lambda's API reference does.
pub fn name_unplayed_lambda_operation(method: &Method, uri: &Uri) -> Cow<'static, str> {
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    Cow::Borrowed(match (method.as_str(), parts.as_slice()) {
        ("POST", [_, "functions", _, "aliases"]) => "CreateAlias",
        ("GET", [_, "functions", _, "aliases"]) => "ListAliases",
        ("GET", [_, "functions", _, "aliases", _]) => "GetAlias",
        ("PUT", [_, "functions", _, "aliases", _]) => "UpdateAlias",
        ("DELETE", [_, "functions", _, "aliases", _]) => "DeleteAlias",
        ("POST", [_, "functions", _, "policy"]) => "AddPermission",
        ("GET", [_, "functions", _, "policy"]) => "GetPolicy",
        ("DELETE", [_, "functions", _, "policy", _]) => "RemovePermission",
        ("PUT", [_, "functions", _, "concurrency"]) => "PutFunctionConcurrency",
        ("DELETE", [_, "functions", _, "concurrency"]) => "DeleteFunctionConcurrency",
        ("PUT", [_, "functions", _, "code-signing-config"]) => "PutFunctionCodeSigningConfig",
        ("DELETE", [_, "functions", _, "code-signing-config"]) => "DeleteFunctionCodeSigningConfig",
        ("POST", [_, "functions", _, "invoke-async"]) => "InvokeAsync",
        ("POST", [_, "functions", _, "response-streaming-invocations"]) => "InvokeWithResponseStream",
        ("PUT", [_, "functions", _, "event-invoke-config"]) => "PutFunctionEventInvokeConfig",
        ("POST", [_, "functions", _, "event-invoke-config"]) => "UpdateFunctionEventInvokeConfig",
        ("GET", [_, "functions", _, "event-invoke-config"]) => "GetFunctionEventInvokeConfig",
        ("DELETE", [_, "functions", _, "event-invoke-config"]) => "DeleteFunctionEventInvokeConfig",
        ("GET", [_, "functions", _, "event-invoke-config", _]) => "ListFunctionEventInvokeConfigs",
        ("PUT", [_, "functions", _, "provisioned-concurrency"]) => "PutProvisionedConcurrencyConfig",
        ("GET", [_, "functions", _, "provisioned-concurrency"]) => "GetProvisionedConcurrencyConfig",
        ("DELETE", [_, "functions", _, "provisioned-concurrency"]) => "DeleteProvisionedConcurrencyConfig",
        ("PUT", [_, "functions", _, "runtime-management-config"]) => "PutRuntimeManagementConfig",
        ("GET", [_, "functions", _, "runtime-management-config"]) => "GetRuntimeManagementConfig",
        ("PUT", [_, "functions", _, "recursion-config"]) => "PutFunctionRecursionConfig",
        ("GET", [_, "functions", _, "recursion-config"]) => "GetFunctionRecursionConfig",
        ("POST", [_, "functions", _, "url"]) => "CreateFunctionUrlConfig",
        ("PUT", [_, "functions", _, "url"]) => "UpdateFunctionUrlConfig",
        ("GET", [_, "functions", _, "url"]) => "GetFunctionUrlConfig",
        ("DELETE", [_, "functions", _, "url"]) => "DeleteFunctionUrlConfig",
        ("GET", [_, "functions", _, "urls"]) => "ListFunctionUrlConfigs",
        ("DELETE", [_, "tags", _]) => "UntagResource",
        ("GET", [_, "layers"]) => "ListLayers",
        ("GET", [_, "layers", _, "versions"]) => "ListLayerVersions",
        ("POST", [_, "layers", _, "versions"]) => "PublishLayerVersion",
        ("GET", [_, "layers", _, "versions", _]) => "GetLayerVersion",
        ("DELETE", [_, "layers", _, "versions", _]) => "DeleteLayerVersion",
        ("POST", [_, "event-source-mappings"]) => "CreateEventSourceMapping",
        ("GET", [_, "event-source-mappings"]) => "ListEventSourceMappings",
        ("GET", [_, "event-source-mappings", _]) => "GetEventSourceMapping",
        ("PUT", [_, "event-source-mappings", _]) => "UpdateEventSourceMapping",
        ("DELETE", [_, "event-source-mappings", _]) => "DeleteEventSourceMapping",
        ("POST", [_, "code-signing-configs"]) => "CreateCodeSigningConfig",
        ("GET", [_, "code-signing-configs"]) => "ListCodeSigningConfigs",
        _ => return Cow::Owned(describe_unknown_operation(method, uri)),
    })
}
