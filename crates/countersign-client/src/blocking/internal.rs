//! Registers keys, for callers that wait.

use std::io;

use countersign_core::ApiKey;
use uuid::Uuid;

use super::thread::CallThread;
use crate::call::CallError;
use crate::internal::RegisterKeyError;

/// An [`InternalClient`](crate::InternalClient) for callers that wait.
#[derive(Clone, Debug)]
pub struct InternalClient {
    client: crate::InternalClient,
    thread: CallThread,
}

impl InternalClient {
    /// Starts the thread that asks the service.
    ///
    /// # Errors
    /// [`io::Error`] if the system gives no thread.
    pub fn new(client: crate::InternalClient) -> io::Result<Self> {
        Ok(Self { client, thread: CallThread::start()? })
    }

    /// Registers a key for an identifier, or renews its time if it is registered for it
    /// already.
    ///
    /// # Errors
    /// [`RegisterKeyError`] if it is not registered, or nobody knows whether it is.
    /// Repeating the call does no harm.
    pub fn register_key(&self, key: &ApiKey, identifier: Uuid) -> Result<(), RegisterKeyError> {
        let (client, key) = (self.client.clone(), key.clone());
        self.thread
            .wait(async move { client.register_key(&key, identifier).await })
            .map_err(RegisterKeyError::Call)?
    }

    /// Whether a key is registered for any identifier.
    ///
    /// # Errors
    /// [`CallError`] if the service does not say so.
    pub fn is_key_registered(&self, key: &ApiKey) -> Result<bool, CallError> {
        let (client, key) = (self.client.clone(), key.clone());
        self.thread.wait(async move { client.is_key_registered(&key).await })?
    }
}
