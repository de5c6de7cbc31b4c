//! Lambda: functions and their published versions, whose states take time; nothing runs here, CloudFront's edge does that.
//!
//! While one change is in progress every other one is refused, and a version is what it was when it was published.

mod changes;
mod functions;
#[cfg(test)]
mod tests;
mod versions;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ACCOUNT, Caller, Clock, REGION, Refusal, access::Context, access_denied, answered, caller_of, drifts,
    iam, json_answer, moment, request_id, with_tags,
};
use crate::sandbox::{World, store};

/// What is kept between runs; the code lies beside, in `DIR/lambda/<sha256>.zip`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub functions: BTreeMap<String, Function>,
    /// How many executions the account may run at once, where it isn't the usual 1,000.
    pub concurrency: Option<u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Function {
    pub name: String,
    /// `$LATEST`.
    pub latest: Configuration,
    pub created: Duration,
    pub tags: BTreeMap<String, String>,
    pub versions: Vec<Version>,
    pub reserved_concurrency: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configuration {
    pub description: String,
    pub role: String,
    pub handler: String,
    pub runtime: String,
    pub memory: u64,
    pub timeout: u64,
    pub environment: BTreeMap<String, String>,
    pub layers: Vec<String>,
    pub subnets: Vec<String>,
    pub architecture: String,
    pub ephemeral: u64,
    pub tracing: String,
    pub dead_letter: Option<String>,
    /// Base64.
    pub sha256: String,
    pub size: u64,
    pub changed: Duration,
    /// While the last change is in progress, and after it.
    pub revisions: [String; 2],
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    pub number: u64,
    pub configuration: Configuration,
    /// `$LATEST` as it was then: while it is still so, nothing new is published.
    pub of: Configuration,
    pub published: Duration,
    /// CloudFront has copied it to its edges; it can't be deleted for hours after the last association.
    pub replicated: bool,
}

impl Function {
    pub fn arn(&self) -> String {
        arn(&self.name)
    }

    fn progress(&self, clock: Clock) -> Progress {
        if !clock.past(self.created, clock.delays.function) {
            Progress::Creating
        } else if !clock.past(self.latest.changed, clock.delays.function) {
            Progress::Updating
        } else {
            Progress::Settled
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Creating,
    Updating,
    Settled,
}

impl Version {
    pub fn active(&self, clock: Clock) -> bool {
        clock.past(self.published, clock.delays.function)
    }
}

pub fn arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

/// A published version by its ARN: `…:function:NAME:7`.
pub fn version<'a>(state: &'a State, version_arn: &str) -> Option<&'a Version> {
    let (name, number) = version_arn.strip_prefix(&arn(""))?.split_once(':')?;
    let number: u64 = number.parse().ok()?;
    state.functions.get(name)?.versions.iter().find(|version| version.number == number)
}

/// From now on CloudFront has copies of it.
pub fn replicate(state: &mut State, version_arn: &str) {
    let Some((name, number)) = version_arn.strip_prefix(&arn("")).and_then(|tail| tail.split_once(':'))
    else {
        return;
    };
    let versions = state.functions.get_mut(name).into_iter().flat_map(|function| &mut function.versions);
    for version in versions.filter(|version| version.number.to_string() == number) {
        version.replicated = true;
    }
}

/// What an edge runs for a version: its bundle, and the role whose credentials it has.
pub fn code(world: &World, version_arn: &str) -> Option<(Vec<u8>, String)> {
    let (sha256, role) = world.read(|state| {
        let version = version(&state.lambda, version_arn)?;
        Some((version.configuration.sha256.clone(), version.configuration.role.clone()))
    })?;
    Some((std::fs::read(functions::code_path(world.dir(), &sha256)?).ok()?, role))
}

/// The operation's name, of method and path.
pub fn operation(method: &Method, uri: &Uri) -> &'static str {
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", [_, "functions"]) => "ListFunctions",
        ("POST", [_, "functions"]) => "CreateFunction",
        ("GET", [_, "functions", _]) => "GetFunction",
        ("DELETE", [_, "functions", _]) => "DeleteFunction",
        ("GET", [_, "functions", _, "configuration"]) => "GetFunctionConfiguration",
        ("PUT", [_, "functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        ("PUT", [_, "functions", _, "code"]) => "UpdateFunctionCode",
        ("POST", [_, "functions", _, "versions"]) => "PublishVersion",
        ("GET", [_, "functions", _, "versions"]) => "ListVersionsByFunction",
        ("GET", [_, "functions", _, "concurrency"]) => "GetFunctionConcurrency",
        ("GET", [_, "account-settings"]) => "GetAccountSettings",
        ("GET", [_, "tags", _]) => "ListTags",
        ("POST", [_, "tags", _]) => "TagResource",
        _ => "Unknown",
    }
}

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let result = caller_of(&request).and_then(|caller| {
        let ask = Ask::new(world, &caller, &request)?;
        if drifts(&request) {
            world.write(|state| functions::drift(state, &ask));
        }
        act(world, &ask)
    });
    match result {
        Ok((204, _)) => answered(204, "application/json", Bytes::new()),
        Ok((status, output)) => json_answer(status, "application/json", &output),
        Err(refusal) => refusal.answer("lambda"),
    }
}

type Outcome = Result<(u16, Value), Refusal>;

fn act(world: &World, ask: &Ask<'_>) -> Outcome {
    match ask.operation {
        "GetFunction" => world.read(|state| functions::get(state, ask)),
        "GetFunctionConfiguration" => world.read(|state| functions::get_configuration(state, ask)),
        "ListFunctions" => world.read(|state| functions::list(state, ask)),
        "GetFunctionConcurrency" => world.read(|state| functions::concurrency(state, ask)),
        "GetAccountSettings" => world.read(|state| functions::account(state, ask)),
        "ListTags" => world.read(|state| functions::list_tags(state, ask)),
        "TagResource" => world.write(|state| functions::tag(state, ask)),
        "CreateFunction" => {
            let code = changes::received_code(world, &ask.input["Code"])?;
            world.write(|state| changes::create(state, ask, &code))
        }
        "UpdateFunctionCode" => {
            let code = changes::received_code(world, &ask.input)?;
            world.write(|state| changes::update_code(state, ask, &code))
        }
        "UpdateFunctionConfiguration" => world.write(|state| changes::update_configuration(state, ask)),
        "PublishVersion" => world.write(|state| versions::publish(state, ask)),
        "ListVersionsByFunction" => world.read(|state| versions::list(state, ask)),
        "DeleteFunction" => world.write(|state| versions::delete(state, ask)),
        _ => Err(Refusal::new(404, "UnknownOperationException", "not in the sandbox")),
    }
}

/// One request: who, when, what, on which function.
struct Ask<'a> {
    clock: Clock,
    caller: &'a Caller,
    operation: &'static str,
    input: Value,
    /// The function's name, and which version of it.
    name: String,
    qualifier: Option<String>,
    query: BTreeMap<String, String>,
}

impl<'a> Ask<'a> {
    fn new(world: &World, caller: &'a Caller, request: &Request<Bytes>) -> Result<Self, Refusal> {
        let input = if request.body().is_empty() {
            json!({})
        } else {
            serde_json::from_slice(request.body()).map_err(|_| {
                Refusal::new(400, "InvalidRequestContentException", "Could not parse request body into json")
            })?
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let query: BTreeMap<String, String> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (decoded(key), decoded(value)))
            .collect();
        let named = decoded(request.uri().path().trim_matches('/').split('/').nth(2).unwrap_or_default());
        let bare = named.rsplit_once(":function:").map_or(named.as_str(), |(_, name)| name);
        let (name, in_name) =
            bare.split_once(':').map_or((bare, None), |(name, qualifier)| (name, Some(qualifier)));
        let qualifier = query.get("Qualifier").cloned().or_else(|| in_name.map(ToOwned::to_owned));
        Ok(Self {
            clock: Clock::of(world),
            caller,
            operation: operation(request.method(), request.uri()),
            input,
            name: name.to_owned(),
            qualifier,
            query,
        })
    }

    fn may(
        &self,
        state: &store::State,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), Refusal> {
        self.caller.may(state, action, resource, context).map_err(|message| access_denied("lambda", message))
    }

    /// The function named, after its caller was held to his policies.
    fn function<'s>(&self, state: &'s store::State) -> Result<&'s Function, Refusal> {
        let arn =
            self.qualifier.as_ref().map_or_else(|| arn(&self.name), |q| format!("{}:{q}", arn(&self.name)));
        self.may(state, &format!("lambda:{}", self.operation), &arn, &self.caller.context())?;
        state.lambda.functions.get(&self.name).ok_or_else(|| missing(&arn))
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.input[field].as_str()
    }

    fn need(&self, field: &str) -> Result<&str, Refusal> {
        self.text(field).ok_or_else(|| {
            let member = field[..1].to_lowercase() + &field[1..];
            Refusal::new(
                400,
                "ValidationException",
                format!("1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }
}

fn missing(arn: &str) -> Refusal {
    Refusal::new(404, "ResourceNotFoundException", format!("Function not found: {arn}"))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterValueException", message)
}
