//! Published versions: numbered, never changed, listed and (hardly) deleted.
//!
//! What hasn't changed isn't published again: the version that has it is given.

use super::{
    Ask, Outcome, Refusal, Value, Version, arn, changes, functions, invalid, json, missing, request_id, store,
};

pub fn publish(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let function = changes::changeable(state, ask)?;
    if let Some(expected) = ask.text("CodeSha256")
        && expected != function.latest.sha256
    {
        return Err(invalid(format!(
            "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the CodeSHA256 in $LATEST.",
            function.latest.sha256
        )));
    }
    let shown = publish_now(state, ask, &ask.name, ask.text("Description"))?;
    Ok((201, shown))
}

pub fn publish_now(
    state: &mut store::State,
    ask: &Ask<'_>,
    name: &str,
    description: Option<&str>,
) -> Result<Value, Refusal> {
    let function = state.lambda.functions.get_mut(name).ok_or_else(|| missing(&arn(name)))?;
    let unchanged = function.versions.last().is_some_and(|version| same(version, &function.latest));
    if !unchanged {
        let mut configuration = function.latest.clone();
        if let Some(description) = description {
            description.clone_into(&mut configuration.description);
        }
        let revision = request_id();
        configuration.revisions = [revision.clone(), revision];
        let number = function.versions.last().map_or(1, |version| version.number + 1);
        let of = function.latest.clone();
        function.versions.push(Version {
            number,
            configuration,
            of,
            published: ask.clock.now,
            replicated: false,
        });
    }
    let version = function.versions.last().ok_or_else(|| missing(&arn(name)))?;
    Ok(functions::published(function, version, ask.clock))
}

/// Whether code and configuration are those that were published, however often they were sent.
fn same(version: &Version, latest: &super::Configuration) -> bool {
    let mut of = version.of.clone();
    of.changed = latest.changed;
    of.revisions.clone_from(&latest.revisions);
    of == *latest
}

pub fn list(state: &store::State, ask: &Ask<'_>) -> Outcome {
    let function = ask.function(state)?;
    let mut all = vec![functions::latest(function, ask.clock, true)];
    all.extend(function.versions.iter().map(|version| functions::published(function, version, ask.clock)));
    let from: usize = ask.query.get("Marker").and_then(|marker| marker.parse().ok()).unwrap_or(0);
    let most: usize = ask.query.get("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(50).min(50);
    let page: Vec<Value> = all.iter().skip(from).take(most).cloned().collect();
    let next = from + page.len();
    let mut shown = json!({"Versions": page});
    if next < all.len() {
        shown["NextMarker"] = json!(next.to_string());
    }
    Ok((200, shown))
}

pub fn delete(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let function = ask.function(state)?;
    let meant = |version: &&Version| {
        ask.qualifier.as_ref().is_none_or(|number| version.number.to_string() == *number)
    };
    if let Some(version) = function.versions.iter().filter(meant).find(|version| version.replicated) {
        return Err(invalid(format!(
            "Lambda was unable to delete {}:{} because it is a replicated function. Please see our documentation for Deleting Lambda@Edge Functions and Replicas.",
            function.arn(),
            version.number
        )));
    }
    match &ask.qualifier {
        None => {
            state.lambda.functions.remove(&ask.name);
        }
        Some(number) => {
            if let Some(function) = state.lambda.functions.get_mut(&ask.name) {
                function.versions.retain(|version| version.number.to_string() != *number);
            }
        }
    }
    Ok((204, Value::Null))
}
