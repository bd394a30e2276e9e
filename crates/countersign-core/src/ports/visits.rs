//! Where the console keeps who may come in and who is in.

use async_trait::async_trait;

use super::administration::StoreError;
use crate::key::PublicKey;
use crate::names::{AccountId, AccountName};
use crate::secret::SecretHash;
use crate::time::UnixTime;

/// How far a visitor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VisitKind {
    /// They have a link, which is good once.
    Link,
    /// They are in.
    Session,
}

impl VisitKind {
    /// One word, for stores.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Session => "session",
        }
    }
}

/// A visitor of the console: the holder of a key of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The account.
    pub account: AccountId,
    /// What it was called then.
    pub name: AccountName,
    /// The key that signed for the link.
    pub key: PublicKey,
    /// When it was made.
    pub began_at: UnixTime,
    /// From when on it is over.
    pub ends_at: UnixTime,
}

/// Links into the console and its sessions, each under the hash of a secret that its visitor
/// alone has. A store that several servers share shares them.
#[async_trait]
pub trait VisitStore: Send + Sync {
    /// Keeps one more, and at most so many of a kind for one account: those that would end
    /// first go. Nobody takes another's place. What is over is forgotten. A visit goes with
    /// its account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], as all methods here.
    async fn keep_visit(
        &self,
        (kind, secret): (VisitKind, &SecretHash),
        visit: &Visit,
        at_most: u32,
    ) -> Result<(), StoreError>;

    /// The one with that secret, unless it is over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn visit(
        &self,
        kind: VisitKind,
        secret: &SecretHash,
        now: UnixTime,
    ) -> Result<Option<Visit>, StoreError>;

    /// Ends it; of all who ask, at whichever server, one gets it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn end_visit(
        &self,
        kind: VisitKind,
        secret: &SecretHash,
        now: UnixTime,
    ) -> Result<Option<Visit>, StoreError>;

    /// Lets a session end later, if it has not been ended.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn prolong_session(
        &self,
        secret: &SecretHash,
        ends_at: UnixTime,
    ) -> Result<(), StoreError>;
}
