//! One renewal at a time, whoever asks for it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::{ApiKey, RefreshToken, UnixTime};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::held::{Age, Held};
use super::{Credentials, SessionError};
use crate::access_token::AccessToken;
use crate::call::CallError;
use crate::service::Service;

/// After a failure, a token that is still good is handed out for so long before the
/// service is asked again.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The one status that means: never again.
const UNAUTHORIZED: u16 = 401;

/// A session's credentials and how they are renewed.
pub(super) struct Renewal {
    pub(super) service: Service,
    pub(super) identifier: Uuid,
    /// Held for moments only, never while the service is asked.
    state: Mutex<State>,
}

struct State {
    key: Option<ApiKey>,
    refresh_token: Option<RefreshToken>,
    held: Option<Held>,
    /// The renewal that is under way.
    under_way: Option<UnderWay>,
    /// No renewal before this, as long as the held token is good.
    rest_until: UnixTime,
    /// What every call gets when there is neither key nor refresh token.
    when_nothing_is_left: SessionError,
}

/// What an asker gets.
pub(super) enum Asked {
    Token(AccessToken),
    Wait(UnderWay),
    Final(SessionError),
}

/// A renewal that is under way; what it comes to is `None` until then.
#[derive(Clone)]
pub(super) struct UnderWay(watch::Receiver<Option<Result<AccessToken, SessionError>>>);

impl UnderWay {
    /// What the renewal comes to; `None` if the runtime it ran in is no more.
    pub(super) async fn outcome(mut self) -> Option<Result<AccessToken, SessionError>> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Whether there is a task that will say what it came to.
    fn is_alive(&self) -> bool {
        self.0.has_changed().is_ok()
    }
}

/// What the service gives out. `refresh_token` is null or absent in an answer to a
/// refresh.
#[derive(Deserialize)]
struct Granted {
    jwt: Zeroizing<String>,
    #[serde(default)]
    refresh_token: Option<Zeroizing<String>>,
}

#[derive(Serialize)]
struct Authenticate<'a> {
    key: &'a str,
    identifier: Uuid,
}

#[derive(Serialize)]
struct Refresh<'a> {
    refresh_token: &'a str,
    identifier: Uuid,
}

impl Renewal {
    pub(super) fn new(service: Service, identifier: Uuid, credentials: Credentials) -> Self {
        let now = service.clock.now();
        let Credentials { key, refresh_token, access_token } = credentials;
        let state = State {
            key,
            refresh_token,
            held: access_token.map(|token| Held::given(token, now)),
            under_way: None,
            rest_until: now,
            when_nothing_is_left: SessionError::NothingLeft,
        };
        Self { service, identifier, state: Mutex::new(state) }
    }

    /// A token if one is good, and a renewal if it is time for one.
    pub(super) fn ask(self: &Arc<Self>) -> Asked {
        let now = self.service.clock.now();
        let mut state = self.state();
        let can_renew = state.key.is_some() || state.refresh_token.is_some();
        match state.usable(now) {
            Some((Age::Fresh, token)) => Asked::Token(token),
            Some((_, token)) if !can_renew || now < state.rest_until => Asked::Token(token),
            Some((Age::Ending, token)) => {
                self.under_way(&mut state);
                Asked::Token(token)
            }
            _ if can_renew => Asked::Wait(self.under_way(&mut state)),
            _ => Asked::Final(state.when_nothing_is_left.clone()),
        }
    }

    /// The renewal that is under way, or a new one.
    fn under_way(self: &Arc<Self>, state: &mut State) -> UnderWay {
        if let Some(under_way) = state.under_way.as_ref().filter(|found| found.is_alive()) {
            return under_way.clone();
        }
        let (tell, told) = watch::channel(None);
        let under_way = UnderWay(told);
        state.under_way = Some(under_way.clone());
        let renewal = Arc::clone(self);
        // A task of its own: it goes on when the caller that started it goes away.
        tokio::spawn(async move {
            let outcome = renewal.renew().await;
            tell.send_replace(Some(renewal.settle(outcome)));
        });
        under_way
    }

    async fn renew(&self) -> Result<AccessToken, SessionError> {
        let (refresh_token, key) = {
            let state = self.state();
            (state.refresh_token.clone(), state.key.clone())
        };
        if let Some(token) = refresh_token {
            let body = Refresh { refresh_token: token.reveal(), identifier: self.identifier };
            match self.exchange("refresh", &body).await {
                Err(CallError::Status(UNAUTHORIZED)) => self.drop_refresh_token(),
                granted => return Ok(granted?),
            }
        }
        if let Some(key) = key {
            let body = Authenticate { key: key.reveal(), identifier: self.identifier };
            match self.exchange("authenticate", &body).await {
                Err(CallError::Status(UNAUTHORIZED)) => self.drop_key(),
                granted => return Ok(granted?),
            }
        }
        Err(self.state().when_nothing_is_left.clone())
    }

    /// Asks one route and keeps what it gives.
    async fn exchange(
        &self,
        route: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<AccessToken, CallError> {
        let asked_at = self.service.clock.now();
        let granted: Granted = self.service.post(route, body).await?;
        let token = AccessToken::new(&granted.jwt).map_err(|_| CallError::Malformed)?;
        let refresh_token = granted
            .refresh_token
            .map(|text| RefreshToken::read(&text).map_err(|_| CallError::Malformed))
            .transpose()?;
        tracing::debug!(identifier = %self.identifier, route, "got an access token");
        let mut state = self.state();
        state.held = Some(Held::received(token.clone(), asked_at));
        if refresh_token.is_some() {
            state.refresh_token = refresh_token;
        }
        Ok(token)
    }

    fn drop_refresh_token(&self) {
        let mut state = self.state();
        state.refresh_token = None;
        state.when_nothing_is_left = SessionError::RefreshTokenRefused;
        tracing::info!(identifier = %self.identifier, "the refresh token was refused");
    }

    fn drop_key(&self) {
        let mut state = self.state();
        state.key = None;
        state.when_nothing_is_left = SessionError::KeyRefused;
        tracing::error!(identifier = %self.identifier, "the key was refused");
    }

    /// Ends a renewal. A failure is none for as long as the held token is good.
    fn settle(
        &self,
        outcome: Result<AccessToken, SessionError>,
    ) -> Result<AccessToken, SessionError> {
        let now = self.service.clock.now();
        let mut state = self.state();
        state.under_way = None;
        let Err(error) = outcome else { return outcome };
        state.rest_until = now + REST_AFTER_FAILURE;
        let Some((_, token)) = state.usable(now) else { return Err(error) };
        tracing::warn!(
            identifier = %self.identifier, %error,
            "cannot renew the access token ahead of its end: using it further"
        );
        Ok(token)
    }

    pub(super) fn invalidate(&self, token: &AccessToken) {
        let mut state = self.state();
        if state.held.as_ref().is_some_and(|held| held.token == *token) {
            state.held = None;
        }
    }

    pub(super) fn refresh_token(&self) -> Option<RefreshToken> {
        self.state().refresh_token.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whatever panicked left whole values behind: each is set at once.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The held token while it is good.
    fn usable(&self, now: UnixTime) -> Option<(Age, AccessToken)> {
        let held = self.held.as_ref()?;
        match held.age(now) {
            Age::Over => None,
            age => Some((age, held.token.clone())),
        }
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Held")
            .field("key", &state.key)
            .field("refresh_token", &state.refresh_token)
            .field("access_token", &state.held.as_ref().map(|held| &held.token))
            .finish()
    }
}
