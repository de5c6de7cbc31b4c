//! The operating system's keyring: the freshly made secret until it is written, and credentials that shall be remembered.
//!
//! It is asked on a thread of its own and waited for no longer than two seconds; a sandbox has one in memory alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::model::{
    failure::{Failure, FailureKind},
    secret::Secret,
};

const KEYRING_SERVICE: &str = "packagecloud-cloudfront";
const KEYRING_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub enum Keyring {
    /// The user's: the Secret Service, the Keychain.
    System,
    /// Forgotten at the end.
    Memory(Arc<Mutex<BTreeMap<String, Secret>>>),
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::System => "Keyring::System",
            Self::Memory(_) => "Keyring::Memory",
        })
    }
}

/// What is kept, by its name: `cloudfront_secret <bucket>`, `aws_secret_key <key id>`.
impl Keyring {
    /// Returns a keyring that ends with this process: a sandbox's.
    #[must_use]
    pub fn new_in_memory_keyring() -> Self {
        Self::Memory(Arc::default())
    }

    /// Reads what is kept under a name, if anything is.
    ///
    /// # Errors
    /// Where the system's keyring can't be asked.
    pub async fn read_keyring_secret(&self, name: &str) -> Result<Option<Secret>, Failure> {
        match self {
            Self::System => {
                let name = name.to_owned();
                run_keyring_with_timeout(move || match open_keyring_entry(&name)?.get_password() {
                    Ok(text) => Ok(Some(Secret::new(text))),
                    Err(keyring::Error::NoEntry) => Ok(None),
                    Err(error) => Err(error),
                })
                .await
            }
            Self::Memory(kept) => Ok(kept.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()),
        }
    }

    /// Keeps a secret under a name, and reads it back: a keyring may take what it then can't give.
    ///
    /// # Errors
    /// Where the system's keyring doesn't keep it.
    pub async fn store_keyring_secret(&self, name: &str, secret: &Secret) -> Result<(), Failure> {
        match self {
            Self::System => {
                let (entry_name, secret) = (name.to_owned(), secret.clone());
                run_keyring_with_timeout(move || {
                    let entry = open_keyring_entry(&entry_name)?;
                    entry.set_password(secret.expose_secret())?;
                    let kept = Secret::new(entry.get_password()?);
                    if kept == secret { Ok(()) } else { Err(keyring::Error::NoEntry) }
                })
                .await
            }
            Self::Memory(kept) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), secret.clone());
                Ok(())
            }
        }
    }

    /// Removes what is kept under a name; nothing there is no failure.
    ///
    /// # Errors
    /// Where the system's keyring can't be asked.
    pub async fn remove_keyring_secret(&self, name: &str) -> Result<(), Failure> {
        match self {
            Self::System => {
                let name = name.to_owned();
                run_keyring_with_timeout(move || match open_keyring_entry(&name)?.delete_credential() {
                    Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
                    Err(error) => Err(error),
                })
                .await
            }
            Self::Memory(kept) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
                Ok(())
            }
        }
    }
}

fn open_keyring_entry(name: &str) -> Result<keyring::Entry, keyring::Error> {
    keyring::Entry::new(KEYRING_SERVICE, name)
}

/// Runs what may wait for a locked keyring's prompt, or for a bus that doesn't answer, on a thread that is left behind.
async fn run_keyring_with_timeout<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, keyring::Error> + Send + 'static,
) -> Result<T, Failure> {
    let (done, result) = tokio::sync::oneshot::channel();
    let none = |why: String| {
        let next = "go on without it: nothing that is made is lost once it is written to packagecloud.rb";
        Failure::new(FailureKind::Unreachable, "the operating system's keyring", why, next)
    };
    std::thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || drop(done.send(work())))
        .map_err(|error| none(error.to_string()))?;
    match tokio::time::timeout(KEYRING_TIMEOUT, result).await {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(error))) => Err(none(render_keyring_error(&error))),
        Ok(Err(_)) => Err(none("it failed".to_owned())),
        Err(_) => Err(none("it did not answer within two seconds".to_owned())),
    }
}

/// Never the error's own text where that holds what was kept.
fn render_keyring_error(error: &keyring::Error) -> String {
    match error {
        keyring::Error::NoDefaultStore => "there is none here".to_owned(),
        keyring::Error::NoEntry => "it did not keep what it was given".to_owned(),
        keyring::Error::NoStorageAccess(why) => format!("it is locked: {why}"),
        keyring::Error::PlatformFailure(why) => why.to_string(),
        _ => "it holds something that can't be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_in_memory_is_found_and_forgotten() {
        let keyring = Keyring::new_in_memory_keyring();
        assert_eq!(keyring.read_keyring_secret("a").await.unwrap(), None);
        keyring.store_keyring_secret("a", &Secret::new("s")).await.unwrap();
        assert_eq!(keyring.clone().read_keyring_secret("a").await.unwrap(), Some(Secret::new("s")));
        keyring.remove_keyring_secret("a").await.unwrap();
        assert_eq!(keyring.read_keyring_secret("a").await.unwrap(), None);
        assert_eq!(format!("{keyring:?}"), "Keyring::Memory");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_is_waited_for_two_seconds() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let before = tokio::time::Instant::now();
        let failure = run_keyring_with_timeout(move || Ok(held.recv().is_ok())).await.unwrap_err();
        assert_eq!(before.elapsed().as_secs(), 2);
        assert!(failure.why.contains("did not answer"));
        drop(hold);
    }

    #[tokio::test]
    async fn one_that_is_not_there_says_so() {
        let failure =
            run_keyring_with_timeout(|| Err::<(), _>(keyring::Error::NoDefaultStore)).await.unwrap_err();
        assert_eq!(failure.to_string(), "the operating system's keyring: there is none here");
        assert_eq!(failure.kind, FailureKind::Unreachable);
    }
}
