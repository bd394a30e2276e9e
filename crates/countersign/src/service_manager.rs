//! What a service manager such as systemd wants to be told: when the server is ready, and
//! that it stops. See `sd_notify(3)`.

use std::os::unix::net::UnixDatagram;

/// Whoever was to start after the server may connect.
pub(crate) fn ready() {
    tell("READY=1");
}

/// It was asked to stop, and does.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

/// Tells it, if there is one: it leaves the path of a socket in the environment.
fn tell(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|ours| ours.send_to(state.as_bytes(), &socket));
    if let Err(error) = told {
        tracing::warn!(%error, ?socket, state, "the service manager could not be told");
    }
}
