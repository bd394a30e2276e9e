//! Signs access tokens, where that takes long on threads of its own.

use std::sync::Arc;

use countersign_core::{AccessTokenPolicy, Grant, IssueError, KeyRing, KeyType, UnixTime};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::TokenError;

/// Signs with the active key of a ring.
///
/// An RSA signature takes most of a millisecond: dozens of tokens could be validated
/// meanwhile. So those are made on other threads, of which there are fewer than there
/// are processors.
pub(super) struct Signer {
    threads: Semaphore,
}

impl Default for Signer {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads: Semaphore::new((processors - 1).max(1)) }
    }
}

impl Signer {
    pub(super) async fn sign(
        &self,
        policy: &AccessTokenPolicy,
        ring: Arc<KeyRing>,
        grant: Grant,
        now: UnixTime,
    ) -> Result<String, TokenError> {
        let Some(key) = ring.active() else {
            return Err(TokenError::Unavailable("there is no key to sign with".to_owned()));
        };
        if key.algorithm.key_type() != KeyType::Rsa {
            return policy.issue(key, &grant, now).map_err(unavailable);
        }
        // Unwrap safety: nobody closes the semaphore.
        let _thread = self.threads.acquire().await.expect("an open semaphore");
        let policy = policy.clone();
        let signing = spawn_blocking(move || match ring.active() {
            Some(key) => policy.issue(key, &grant, now).map_err(unavailable),
            None => Err(TokenError::Unavailable("there is no key to sign with".to_owned())),
        });
        signing.await.unwrap_or_else(|error| Err(TokenError::Unavailable(error.to_string())))
    }
}

/// That a token cannot be issued is nobody's fault who asks for one.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unavailable(error: IssueError) -> TokenError {
    TokenError::Unavailable(error.to_string())
}
