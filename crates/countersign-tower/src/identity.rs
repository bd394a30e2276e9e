//! The caller, as a handler finds it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use http::{Extensions, HeaderMap};

use crate::policy::Policy;

/// A caller that has proved who it is, among the extensions of its request.
///
/// It can be used as the [`countersign_core::Identity`] that it is. Nothing but a layer
/// of this crate makes one. Cloning is cheap.
///
/// ```
/// use countersign_tower::Identity;
///
/// fn greet(request: &http::Request<()>) -> String {
///     match Identity::find(request.extensions()) {
///         Some(caller) => format!("Hello, {}!", caller.account()),
///         None => "Hello, stranger!".to_owned(),
///     }
/// }
/// # assert_eq!(greet(&http::Request::new(())), "Hello, stranger!");
/// ```
#[derive(Clone)]
pub struct Identity(Arc<Known>);

struct Known {
    identity: countersign_core::Identity,
    policy: Policy,
}

impl Identity {
    pub(crate) fn new(identity: countersign_core::Identity, policy: Policy) -> Self {
        Self(Arc::new(Known { identity, policy }))
    }

    /// An identity that nobody has proved, for tests of handlers: put it into the
    /// extensions of a request.
    ///
    /// Only there with the feature `testing`, which belongs into `dev-dependencies`.
    #[cfg(feature = "testing")]
    pub fn unproved_for_tests(identity: countersign_core::Identity, policy: Policy) -> Self {
        Self::new(identity, policy)
    }

    /// The caller of the request with these extensions, if it has proved who it is.
    pub fn find(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The challenges with which a service makes a caller forget its credential.
    pub fn forget(&self) -> HeaderMap {
        self.0.policy.forget()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }
}

impl Deref for Identity {
    type Target = countersign_core::Identity;

    fn deref(&self) -> &Self::Target {
        &self.0.identity
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.identity.fmt(f)
    }
}

/// What a layer leaves of a caller that has not proved who it is, so that those behind
/// it know how to ask for it.
#[derive(Clone)]
pub(crate) struct Nobody {
    pub(crate) policy: Policy,
    pub(crate) sent_a_token: bool,
}

/// Who calls, as far as a layer before has said.
pub(crate) enum Caller<'a> {
    Known(&'a Identity),
    Nobody(&'a Nobody),
}

impl<'a> Caller<'a> {
    /// `None` if there is no such layer.
    pub(crate) fn of(extensions: &'a Extensions) -> Option<Self> {
        match extensions.get() {
            Some(identity) => Some(Self::Known(identity)),
            None => extensions.get().map(Self::Nobody),
        }
    }

    pub(crate) fn identity(&self) -> Option<&'a Identity> {
        match self {
            Self::Known(identity) => Some(identity),
            Self::Nobody(_) => None,
        }
    }

    pub(crate) fn policy(&self) -> &'a Policy {
        match self {
            Self::Known(identity) => identity.policy(),
            Self::Nobody(nobody) => &nobody.policy,
        }
    }
}
