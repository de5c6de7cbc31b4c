//! The embedded JavaScript engine on a thread of its own: runs a bundle's modules, and has of Node what they import.
//!
//! It does no I/O: a request that the function wants to send is handed to the caller, and the caller's answer back to it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::mpsc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use rquickjs::{
    Array, AsyncContext, AsyncRuntime, CatchResultExt, CaughtError, Ctx, Error, Exception, FromJs, Function,
    Module, Object, TypedArray, Value,
    function::Async,
    loader::{ImportAttributes, Loader, Resolver},
    module::Declared,
    promise::MaybePromise,
};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc as steps, oneshot};

/// Where Lambda unpacks a bundle.
const TASK: &str = "/var/task/";
/// What Lambda gives it, in bytes.
const MEMORY: usize = super::bundle::MEMORY as usize * 1024 * 1024;
/// What Lambda gives it between two requests of its own; of its thread's processor time, as a busy machine is no fault of its.
const TIME: Duration = Duration::from_secs(super::bundle::TIMEOUT as u64);

const NODE: [(&str, &str); 5] = [
    ("node:crypto", include_str!("node/crypto.mjs")),
    ("node:fs", include_str!("node/fs.mjs")),
    ("node:https", include_str!("node/https.mjs")),
    ("node:http", include_str!("node/https.mjs")),
    ("edge:entry", include_str!("node/entry.mjs")),
];

/// One call of a function that `entry.mjs` offers, with JSON in and out.
pub(super) struct Job {
    pub entry: &'static str,
    pub input: String,
    pub steps: steps::UnboundedSender<Step>,
}

/// What a job tells its caller.
pub(super) enum Step {
    /// The function wants this sent; where nobody answers, it fails as a broken connection does.
    Send(Box<Outgoing>, oneshot::Sender<Reply>),
    /// The last step.
    Done(Result<String, String>),
}

/// A request, as `node:https` takes it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Outgoing {
    pub protocol: String,
    pub hostname: String,
    /// A text or a number, as Node allows.
    pub port: Option<serde_json::Value>,
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, serde_json::Value>,
    /// Milliseconds of silence after which it gives up.
    pub timeout: Option<u64>,
    pub body: String,
}

/// The answer to one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Reply {
    Answered { status: u16, text: String },
    Silent { silent: bool },
    Failed { failed: String },
}

/// Whom the running job tells.
type Caller = Rc<RefCell<Option<steps::UnboundedSender<Step>>>>;

/// Runs jobs, one after another, until the last sender is gone. `ready` hears once whether the bundle loads.
pub(super) fn run(
    files: BTreeMap<String, String>,
    environment: &BTreeMap<String, String>,
    jobs: &mpsc::Receiver<Job>,
    ready: &mpsc::Sender<Result<(), String>>,
) {
    futures::executor::block_on(async {
        let caller = Caller::default();
        let until = Rc::new(RefCell::new(spent() + TIME));
        let context = match load(files, environment, &caller, &until).await {
            Ok(context) => context,
            Err(why) => {
                let _ = ready.send(Err(why));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        while let Ok(job) = jobs.recv() {
            *until.borrow_mut() = spent() + TIME;
            *caller.borrow_mut() = Some(job.steps.clone());
            let result = context
                .async_with(async |ctx| {
                    call(&ctx, job.entry, job.input).await.catch(&ctx).map_err(|e| said(&e))
                })
                .await;
            *caller.borrow_mut() = None;
            let _ = job.steps.send(Step::Done(result));
        }
    });
}

/// The processor time of this thread so far.
fn spent() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

async fn call(ctx: &Ctx<'_>, entry: &str, input: String) -> rquickjs::Result<String> {
    let edge: Object<'_> = ctx.globals().get("edge")?;
    let function: Function<'_> = edge.get(entry)?;
    function.call::<_, MaybePromise<'_>>((input,))?.into_future().await
}

async fn load(
    files: BTreeMap<String, String>,
    environment: &BTreeMap<String, String>,
    caller: &Caller,
    until: &Rc<RefCell<Duration>>,
) -> Result<AsyncContext, String> {
    let runtime = AsyncRuntime::new().map_err(|error| error.to_string())?;
    runtime.set_memory_limit(MEMORY).await;
    let until = Rc::clone(until);
    runtime.set_interrupt_handler(Some(Box::new(move || spent() > *until.borrow()))).await;
    let files = Rc::new(files);
    runtime.set_loader(Names, Sources(Rc::clone(&files))).await;
    let context = AsyncContext::full(&runtime).await.map_err(|error| error.to_string())?;
    let environment = serde_json::to_string(environment).map_err(|error| error.to_string())?;
    context
        .async_with(async |ctx| {
            start(&ctx, &files, environment, caller).await.catch(&ctx).map_err(|error| said(&error))
        })
        .await?;
    Ok(context)
}

async fn start(
    ctx: &Ctx<'_>,
    files: &Rc<BTreeMap<String, String>>,
    environment: String,
    caller: &Caller,
) -> rquickjs::Result<()> {
    let edge = Object::new(ctx.clone())?;
    edge.set("environment", environment)?;
    edge.set("digest", Function::new(ctx.clone(), digest)?)?;
    let files = Rc::clone(files);
    let file = move |path: String| files.get(path.strip_prefix(TASK).unwrap_or(&path)).cloned();
    edge.set("file", Function::new(ctx.clone(), file)?)?;
    let caller = Rc::clone(caller);
    let send = move |call: String| {
        let steps = caller.borrow().clone();
        async move { sent(steps, &call).await }
    };
    edge.set("send", Function::new(ctx.clone(), Async(send))?)?;
    ctx.globals().set("edge", edge)?;
    let (_, loaded) = Module::declare(ctx.clone(), "edge:entry", NODE[4].1)?.eval()?;
    loaded.into_future::<()>().await
}

/// Hands a request to the job's caller, and waits for the answer.
async fn sent(steps: Option<steps::UnboundedSender<Step>>, call: &str) -> String {
    let broken = |why: &str| Reply::Failed { failed: why.to_owned() };
    let reply = match (steps, serde_json::from_str(call)) {
        (Some(steps), Ok(outgoing)) => {
            let (answer, answered) = oneshot::channel();
            // Where the caller is gone, so is `answer`, and the wait ends at once.
            let _ = steps.send(Step::Send(outgoing, answer));
            answered.await.unwrap_or_else(|_| broken("socket hang up"))
        }
        (None, _) => broken("nothing is sent outside of a request"),
        (_, Err(error)) => broken(&error.to_string()),
    };
    serde_json::to_string(&reply).unwrap_or_default()
}

/// `digest(algorithm, key or undefined, pieces)`: a hash, or an HMAC.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands over values")]
fn digest<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    key: Value<'js>,
    pieces: Array<'js>,
) -> rquickjs::Result<TypedArray<'js, u8>> {
    let mut message = Vec::new();
    for piece in pieces.iter::<Value<'js>>() {
        message.extend(bytes(&ctx, &piece?)?);
    }
    let keyed = if key.is_undefined() { None } else { Some(bytes(&ctx, &key)?) };
    let long = "HMAC takes a key of any length";
    let digest = match (algorithm.as_str(), keyed) {
        ("sha1", None) => Sha1::digest(&message).to_vec(),
        ("sha256", None) => Sha256::digest(&message).to_vec(),
        ("sha1", Some(key)) => Hmac::<Sha1>::new_from_slice(&key)
            .expect(long)
            .chain_update(&message)
            .finalize()
            .into_bytes()
            .to_vec(),
        ("sha256", Some(key)) => Hmac::<Sha256>::new_from_slice(&key)
            .expect(long)
            .chain_update(&message)
            .finalize()
            .into_bytes()
            .to_vec(),
        _ => return Err(Exception::throw_type(&ctx, "this engine knows sha1 and sha256")),
    };
    TypedArray::new(ctx, digest)
}

/// A text's UTF-8, or an array's numbers.
fn bytes<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<Vec<u8>> {
    if value.is_string() {
        Ok(String::from_js(ctx, value.clone())?.into_bytes())
    } else {
        Vec::from_js(ctx, value.clone())
    }
}

/// An exception, as Lambda's errorMessage would say it.
fn said(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            exception.message().unwrap_or_else(|| "an exception without a message".to_owned())
        }
        CaughtError::Value(value) => format!("{value:?} was thrown"),
        CaughtError::Error(error) => error.to_string(),
    }
}

/// A bundle's own modules by relative path, Node's by name.
struct Names;

impl Resolver for Names {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<String> {
        match name.strip_prefix("./") {
            Some(own) if base.starts_with(TASK) => Ok(format!("{TASK}{own}")),
            None if name.starts_with(TASK) || NODE.iter().any(|(known, _)| *known == name) => {
                Ok(name.to_owned())
            }
            _ => Err(Error::new_resolving(base, name)),
        }
    }
}

struct Sources(Rc<BTreeMap<String, String>>);

impl Loader for Sources {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<Module<'js, Declared>> {
        let own = name.strip_prefix(TASK).and_then(|file| self.0.get(file)).map(String::as_str);
        let source = own.or_else(|| NODE.iter().find(|(known, _)| *known == name).map(|(_, text)| *text));
        let module = Module::declare(ctx.clone(), name, source.ok_or_else(|| Error::new_loading(name))?)?;
        if own.is_some() {
            module.meta()?.set("dirname", TASK.trim_end_matches('/'))?;
        }
        Ok(module)
    }
}
