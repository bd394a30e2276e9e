//! What a service knows of accounts that their tokens do not say.

use async_trait::async_trait;
use countersign_core::{AccountName, GroupName};
use futures_util::future::BoxFuture;
use http::request::Parts;

/// What a service says of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is in these groups and, whatever its token says, in no others.
    Groups(Vec<GroupName>),
    /// It may not come in, although it has proved who it is.
    Blocked,
}

/// The service cannot say at the moment; the caller is told to try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the groups of an account cannot be found: {0}")]
pub struct GroupsUnavailable(pub String);

/// Says which groups an account is in. Asked for each request whose caller has proved
/// who it is, before the service sees the request.
///
/// A closure that gives a boxed future is one, too: see
/// [`PolicyBuilder::groups`](crate::PolicyBuilder::groups).
#[async_trait]
pub trait GroupSource: Send + Sync {
    /// The groups of an account that makes this request.
    ///
    /// # Errors
    /// [`GroupsUnavailable`] if that cannot be said at the moment.
    async fn membership(
        &self,
        account: &AccountName,
        request: &Parts,
    ) -> Result<Membership, GroupsUnavailable>;
}

#[async_trait]
impl<F> GroupSource for F
where
    F: for<'a> Fn(
            &'a AccountName,
            &'a Parts,
        ) -> BoxFuture<'a, Result<Membership, GroupsUnavailable>>
        + Send
        + Sync,
{
    async fn membership(
        &self,
        account: &AccountName,
        request: &Parts,
    ) -> Result<Membership, GroupsUnavailable> {
        self(account, request).await
    }
}
