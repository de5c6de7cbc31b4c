//! IAM: the one user with his key pair, and roles, which other services know only a while after they are made.
//!
//! What a caller's own policies don't allow is refused before anything is looked at.

mod documents;
mod limits;
mod roles;
mod simulate;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ACCOUNT, Caller, Clock, Identity, Refusal,
    access::{self, Context, Decision, Principal},
    access_denied, caller_of, drifts, iso, made_id,
    query::{self, Form, element},
};
use crate::sandbox::{World, store};

pub use limits::{Weighed, weigh};
pub use roles::{Role, service_linked};

/// The key pair of AWS's own examples.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// How long a role's temporary credentials last.
const SESSION: Duration = Duration::from_hours(1);

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub user: User,
    pub roles: BTreeMap<String, Role>,
    /// Roles' temporary keys, by access key.
    pub sessions: BTreeMap<String, Key>,
    pub account_alias: Option<String>,
    /// The organization's service control policies; empty where there is no organization.
    pub organization: Vec<Value>,
}

/// The one user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    pub name: String,
    pub id: String,
    /// His inline policy: an administrator's, until a test restricts him.
    pub policy: Value,
    /// His permissions boundary.
    pub boundary: Option<Value>,
    /// His device for codes.
    pub device: Option<Device>,
}

/// A device that shows codes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Device {
    /// `arn:aws:iam::999999999999:mfa/jo`.
    pub serial: String,
    /// The codes that it shows next; each is good once.
    pub codes: Vec<String>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            name: "sandbox".into(),
            id: "AIDACKCEVSQ6C2EXAMPLE".into(),
            policy: json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
            boundary: None,
            device: None,
        }
    }
}

/// A key pair, for the check of signatures; S3's own layer asks for it too.
#[derive(Clone, Serialize, Deserialize)]
pub struct Key {
    pub secret: String,
    pub token: Option<String>,
    /// The role whose session it is; none for the user's own.
    pub role: Option<String>,
    pub expires: Option<Duration>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("role", &self.role)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The key pair of an access key.
pub fn key(state: &State, access_key: &str) -> Option<Key> {
    if access_key == ACCESS_KEY {
        return Some(Key { secret: SECRET_KEY.into(), token: None, role: None, expires: None });
    }
    state.sessions.get(access_key).cloned()
}

/// Whose key it is.
pub fn caller(state: &State, key: &Key) -> Caller {
    match &key.role {
        None => Caller {
            arn: user_arn(state),
            id: state.user.id.clone(),
            identity: Identity::User(state.user.name.clone()),
        },
        Some(name) => Caller {
            arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{name}"),
            id: format!("{}:{name}", state.roles.get(name).map(|role| role.id.as_str()).unwrap_or_default()),
            identity: Identity::Role(name.clone()),
        },
    }
}

pub fn user_arn(state: &State) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{}", state.user.name)
}

/// The ARN of a role without a path.
pub fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// A role by its ARN, path or none.
pub fn role<'a>(state: &'a State, arn: &str) -> Option<&'a Role> {
    state.roles.get(arn.rsplit('/').next()?).filter(|role| role.arn == arn)
}

/// The policies that speak for an identity.
pub fn policies_of(state: &store::State, identity: &Identity) -> Vec<Value> {
    match identity {
        Identity::User(_) => vec![state.iam.user.policy.clone()],
        Identity::Role(name) => state
            .iam
            .roles
            .get(name)
            .into_iter()
            .flat_map(|role| role.policies.values())
            .filter_map(|document| serde_json::from_str(document).ok())
            .collect(),
    }
}

/// Whether a role can be assumed by a service (`lambda.amazonaws.com`) now: it is known, and so is its trust.
pub fn assumable(state: &State, clock: Clock, arn: &str, service: &str) -> bool {
    assumable_for(state, clock, arn, service, &Context::default())
}

/// The same for a service that says on whose behalf it comes.
pub fn assumable_for(state: &State, clock: Clock, arn: &str, service: &str, context: &Context) -> bool {
    assumable_by(state, clock, arn, &Principal::service(service), context)
}

/// The same for anybody whom its trust may name.
pub fn assumable_by(
    state: &State,
    clock: Clock,
    arn: &str,
    principal: &Principal,
    context: &Context,
) -> bool {
    let Some(mut trust) = role(state, arn)
        .and_then(|role| role.trust_seen(clock))
        .and_then(|trust| serde_json::from_str::<Value>(trust).ok())
    else {
        return false;
    };
    documents::on_everything(&mut trust);
    access::allows(&trust, Some(principal), "sts:AssumeRole", "*", context) == Decision::Allow
}

/// Whether an ARN of a principal is one that resource policies may name now.
pub fn principal_known(state: &State, clock: Clock, arn: &str) -> bool {
    arn == format!("arn:aws:iam::{ACCOUNT}:root")
        || arn == user_arn(state)
        || role(state, arn).is_some_and(|role| clock.past(role.created, clock.delays.role))
        // Unique ids and other accounts are taken on trust, but for what has the form of a deleted one.
        || (arn.starts_with("arn:aws:iam::") && !arn.starts_with(&format!("arn:aws:iam::{ACCOUNT}:")) && !arn.contains("::cloudfront:"))
}

impl World {
    /// Temporary credentials of a role, as its Lambda function has them: access key, secret, token.
    ///
    /// None where there is no such role, or a new one isn't known yet.
    pub fn role_credentials(&self, role_arn: &str) -> Option<(String, String, String)> {
        let clock = Clock::of(self);
        let known = self.read(|state| {
            let role = role(&state.iam, role_arn)?;
            let held = state.iam.sessions.iter().find(|(_, key)| {
                key.role.as_deref() == Some(&role.name)
                    && key.expires.is_some_and(|expires| clock.now + SESSION / 12 < expires)
            });
            Some((
                role.name.clone(),
                held.map(|(access, key)| {
                    (access.clone(), key.secret.clone(), key.token.clone().unwrap_or_default())
                }),
            ))
        });
        let (name, held) = known?;
        if held.is_some() {
            return held;
        }
        let (access, secret, token) = (made_id("ASIA", 16), made_id("", 40), made_id("IQoJ", 200));
        let key = Key {
            secret: secret.clone(),
            token: Some(token.clone()),
            role: Some(name.clone()),
            expires: Some(clock.now + SESSION),
        };
        self.write(|state| {
            state.iam.sessions.retain(|_, old| old.expires.is_some_and(|expires| clock.now < expires));
            state.iam.sessions.insert(access.clone(), key);
        });
        Some((access, secret, token))
    }
}

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let form = Form::read(&request);
    let result = caller_of(&request).and_then(|caller| {
        let ask = Ask { clock: Clock::of(world), caller: &caller, form: &form };
        if drifts(&request) {
            world.write(|state| roles::drift(state, &ask));
        }
        act(world, &ask)
    });
    match result {
        Ok(inner) => query::answer("iam", form.action(), inner.as_deref()),
        Err(refusal) => refusal.answer("iam"),
    }
}

/// One request: who, when, what.
struct Ask<'a> {
    clock: Clock,
    caller: &'a Caller,
    form: &'a Form,
}

impl Ask<'_> {
    fn may(
        &self,
        state: &store::State,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), Refusal> {
        self.caller
            .may(state, &format!("iam:{action}"), resource, context)
            .map_err(|message| access_denied("iam", message))
    }

    fn may_plainly(&self, state: &store::State, resource: &str) -> Result<(), Refusal> {
        self.may(state, self.form.action(), resource, &self.caller.context())
    }
}

type Outcome = Result<Option<String>, Refusal>;

fn act(world: &World, ask: &Ask<'_>) -> Outcome {
    match ask.form.action() {
        "GetUser" => world.read(|state| get_user(state, ask)),
        "ListAccountAliases" => world.read(|state| {
            ask.may_plainly(state, "*")?;
            let alias =
                state.iam.account_alias.as_deref().map(|alias| element("member", alias)).unwrap_or_default();
            Ok(Some(format!("<AccountAliases>{alias}</AccountAliases><IsTruncated>false</IsTruncated>")))
        }),
        "SimulatePrincipalPolicy" => world.read(|state| simulate::simulate(state, ask)),
        "GetRole" => world.read(|state| roles::get(state, ask)),
        "ListRoleTags" => world.read(|state| roles::list_tags(state, ask)),
        "GetRolePolicy" => world.read(|state| roles::get_policy(state, ask)),
        "ListRolePolicies" => world.read(|state| roles::list_policies(state, ask)),
        "ListAttachedRolePolicies" => world.read(|state| roles::list_attached(state, ask)),
        "CreateRole" => world.write(|state| roles::create(state, ask)),
        "CreateServiceLinkedRole" => world.write(|state| roles::create_service_linked(state, ask)),
        "UpdateAssumeRolePolicy" => world.write(|state| roles::update_trust(state, ask)),
        "PutRolePolicy" => world.write(|state| roles::put_policy(state, ask)),
        "PutRolePermissionsBoundary" => world.write(|state| roles::put_boundary(state, ask)),
        "TagRole" => world.write(|state| roles::tag(state, ask)),
        other => Err(query::unknown(other)),
    }
}

fn get_user(state: &store::State, ask: &Ask<'_>) -> Outcome {
    let user = &state.iam.user;
    let arn = user_arn(&state.iam);
    match (ask.form.get("UserName"), &ask.caller.identity) {
        (None, Identity::User(_)) => {}
        (Some(name), _) if name == user.name => {}
        (Some(name), _) => return Err(no_such(&format!("The user with name {name} cannot be found."))),
        (None, Identity::Role(_)) => {
            return Err(Refusal::new(
                400,
                "ValidationError",
                "Must specify userName when calling with non-User credentials",
            ));
        }
    }
    ask.may_plainly(state, &arn)?;
    Ok(Some(format!(
        "<User><Path>/</Path>{}{}{}{}</User>",
        element("UserName", &user.name),
        element("UserId", &user.id),
        element("Arn", &arn),
        element("CreateDate", &iso(Duration::from_hours(394_464)))
    )))
}

fn no_such(message: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", message)
}
