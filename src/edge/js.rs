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
const LAMBDA_TASK_ROOT: &str = "/var/task/";
/// What Lambda gives it, in bytes.
const MEMORY_LIMIT_BYTES: usize = super::bundle::MEMORY_MB as usize * 1024 * 1024;
/// What Lambda gives it between two requests of its own; of its thread's processor time, as a busy machine is no fault of its.
const CPU_TIME_LIMIT: Duration = Duration::from_secs(super::bundle::TIMEOUT_SECONDS as u64);

const NODE_SHIMS: [(&str, &str); 5] = [
    ("node:crypto", include_str!("node/crypto.mjs")),
    ("node:fs", include_str!("node/fs.mjs")),
    ("node:https", include_str!("node/https.mjs")),
    ("node:http", include_str!("node/https.mjs")),
    ("edge:entry", include_str!("node/entry.mjs")),
];

/// One call of a function that `entry.mjs` offers, with JSON in and out.
pub(super) struct JsExportedFunctionCall {
    pub entry: &'static str,
    pub input: String,
    pub steps: steps::UnboundedSender<JsJobMessage>,
}

/// What a job tells its caller.
pub(super) enum JsJobMessage {
    /// The function wants this sent; where nobody answers, it fails as a broken connection does.
    Send(Box<EdgeFunctionHttpsRequest>, oneshot::Sender<EdgeFunctionHttpsReply>),
    /// The last step.
    Done(Result<String, String>),
}

/// A request, as `node:https` takes it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct EdgeFunctionHttpsRequest {
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
pub(super) enum EdgeFunctionHttpsReply {
    Answered { status: u16, text: String },
    Silent { silent: bool },
    Failed { failed: String },
}

/// Whom the running job tells.
type JsJobMessageSender = Rc<RefCell<Option<steps::UnboundedSender<JsJobMessage>>>>;

/// Runs jobs, one after another, until the last sender is gone. `ready` hears once whether the bundle loads.
pub(super) fn run_js_engine(
    files: BTreeMap<String, String>,
    environment: &BTreeMap<String, String>,
    jobs: &mpsc::Receiver<JsExportedFunctionCall>,
    ready: &mpsc::Sender<Result<(), String>>,
) {
    futures::executor::block_on(async {
        let caller = JsJobMessageSender::default();
        let until = Rc::new(RefCell::new(read_thread_cpu_time() + CPU_TIME_LIMIT));
        let context = match load_js_bundle(files, environment, &caller, &until).await {
            Ok(context) => context,
            Err(why) => {
                let _ = ready.send(Err(why));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        while let Ok(job) = jobs.recv() {
            *until.borrow_mut() = read_thread_cpu_time() + CPU_TIME_LIMIT;
            *caller.borrow_mut() = Some(job.steps.clone());
            let result = context
                .async_with(async |ctx| {
                    call_js_entry(&ctx, job.entry, job.input)
                        .await
                        .catch(&ctx)
                        .map_err(|e| js_error_message(&e))
                })
                .await;
            *caller.borrow_mut() = None;
            let _ = job.steps.send(JsJobMessage::Done(result));
        }
    });
}

/// The processor time of this thread so far.
fn read_thread_cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

async fn call_js_entry(ctx: &Ctx<'_>, entry: &str, input: String) -> rquickjs::Result<String> {
    let edge: Object<'_> = ctx.globals().get("edge")?;
    let function: Function<'_> = edge.get(entry)?;
    function.call::<_, MaybePromise<'_>>((input,))?.into_future().await
}

async fn load_js_bundle(
    files: BTreeMap<String, String>,
    environment: &BTreeMap<String, String>,
    caller: &JsJobMessageSender,
    until: &Rc<RefCell<Duration>>,
) -> Result<AsyncContext, String> {
    let runtime = AsyncRuntime::new().map_err(|error| error.to_string())?;
    runtime.set_memory_limit(MEMORY_LIMIT_BYTES).await;
    let until = Rc::clone(until);
    runtime.set_interrupt_handler(Some(Box::new(move || read_thread_cpu_time() > *until.borrow()))).await;
    let files = Rc::new(files);
    runtime.set_loader(JsModuleResolver, JsModuleLoader(Rc::clone(&files))).await;
    let context = AsyncContext::full(&runtime).await.map_err(|error| error.to_string())?;
    let environment = serde_json::to_string(environment).map_err(|error| error.to_string())?;
    context
        .async_with(async |ctx| {
            evaluate_js_entry_module(&ctx, &files, environment, caller)
                .await
                .catch(&ctx)
                .map_err(|error| js_error_message(&error))
        })
        .await?;
    Ok(context)
}

async fn evaluate_js_entry_module(
    ctx: &Ctx<'_>,
    files: &Rc<BTreeMap<String, String>>,
    environment: String,
    caller: &JsJobMessageSender,
) -> rquickjs::Result<()> {
    let edge = Object::new(ctx.clone())?;
    edge.set("environment", environment)?;
    edge.set("digest", Function::new(ctx.clone(), compute_hash_or_hmac)?)?;
    let files = Rc::clone(files);
    let file = move |path: String| files.get(path.strip_prefix(LAMBDA_TASK_ROOT).unwrap_or(&path)).cloned();
    edge.set("file", Function::new(ctx.clone(), file)?)?;
    let caller = Rc::clone(caller);
    let send = move |call: String| {
        let steps = caller.borrow().clone();
        async move { forward_edge_function_https_request(steps, &call).await }
    };
    edge.set("send", Function::new(ctx.clone(), Async(send))?)?;
    ctx.globals().set("edge", edge)?;
    let (_, loaded) = Module::declare(ctx.clone(), "edge:entry", NODE_SHIMS[4].1)?.eval()?;
    loaded.into_future::<()>().await
}

/// Hands a request to the job's caller, and waits for the answer.
async fn forward_edge_function_https_request(
    steps: Option<steps::UnboundedSender<JsJobMessage>>,
    call: &str,
) -> String {
    let broken = |why: &str| EdgeFunctionHttpsReply::Failed { failed: why.to_owned() };
    let reply = match (steps, serde_json::from_str(call)) {
        (Some(steps), Ok(outgoing)) => {
            let (answer, answered) = oneshot::channel();
            // Where the caller is gone, so is `answer`, and the wait ends at once.
            let _ = steps.send(JsJobMessage::Send(outgoing, answer));
            answered.await.unwrap_or_else(|_| broken("socket hang up"))
        }
        (None, _) => broken("nothing is sent outside of a request"),
        (_, Err(error)) => broken(&error.to_string()),
    };
    serde_json::to_string(&reply).unwrap_or_default()
}

/// `digest(algorithm, key or undefined, pieces)`: a hash, or an HMAC.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands over values")]
fn compute_hash_or_hmac<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    key: Value<'js>,
    pieces: Array<'js>,
) -> rquickjs::Result<TypedArray<'js, u8>> {
    let mut message = Vec::new();
    for piece in pieces.iter::<Value<'js>>() {
        message.extend(bytes_from_js_value(&ctx, &piece?)?);
    }
    let keyed = if key.is_undefined() { None } else { Some(bytes_from_js_value(&ctx, &key)?) };
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
fn bytes_from_js_value<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<Vec<u8>> {
    if value.is_string() {
        Ok(String::from_js(ctx, value.clone())?.into_bytes())
    } else {
        Vec::from_js(ctx, value.clone())
    }
}

/// An exception, as Lambda's errorMessage would say it.
fn js_error_message(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            exception.message().unwrap_or_else(|| "an exception without a message".to_owned())
        }
        CaughtError::Value(value) => format!("{value:?} was thrown"),
        CaughtError::Error(error) => error.to_string(),
    }
}

/// A bundle's own modules by relative path, Node's by name.
struct JsModuleResolver;

impl Resolver for JsModuleResolver {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<String> {
        match name.strip_prefix("./") {
            Some(own) if base.starts_with(LAMBDA_TASK_ROOT) => Ok(format!("{LAMBDA_TASK_ROOT}{own}")),
            None if name.starts_with(LAMBDA_TASK_ROOT)
                || NODE_SHIMS.iter().any(|(known, _)| *known == name) =>
            {
                Ok(name.to_owned())
            }
            _ => Err(Error::new_resolving(base, name)),
        }
    }
}

struct JsModuleLoader(Rc<BTreeMap<String, String>>);

impl Loader for JsModuleLoader {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<Module<'js, Declared>> {
        let own = name.strip_prefix(LAMBDA_TASK_ROOT).and_then(|file| self.0.get(file)).map(String::as_str);
        let source =
            own.or_else(|| NODE_SHIMS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text));
        let module = Module::declare(ctx.clone(), name, source.ok_or_else(|| Error::new_loading(name))?)?;
        if own.is_some() {
            module.meta()?.set("dirname", LAMBDA_TASK_ROOT.trim_end_matches('/'))?;
        }
        Ok(module)
    }
}
