//! A session for callers that wait.

use std::io;

use super::thread::CallThread;
use crate::access_token::AccessToken;
use crate::session::SessionError;

/// A [`Session`](crate::Session) for callers that wait. Clones share it, and so do
/// clones of the session it is made of.
#[derive(Clone, Debug)]
pub struct Session {
    session: crate::Session,
    thread: CallThread,
}

impl Session {
    /// Starts the thread that asks the service.
    ///
    /// # Errors
    /// [`io::Error`] if the system gives no thread.
    pub fn new(session: crate::Session) -> io::Result<Self> {
        Ok(Self { session, thread: CallThread::start()? })
    }

    /// A token to use now.
    ///
    /// # Errors
    /// [`SessionError`] if there is none that is good and none is to be had.
    pub fn access_token(&self) -> Result<AccessToken, SessionError> {
        let session = self.session.clone();
        self.thread.wait(async move { session.access_token().await })?
    }

    /// Says that a service refused this token: it is not handed out again. A token
    /// that was renewed meanwhile stays.
    pub fn invalidate(&self, token: &AccessToken) {
        self.session.invalidate(token);
    }

    /// The session itself: its refresh token, its service, its identifier.
    pub fn inner(&self) -> &crate::Session {
        &self.session
    }
}
