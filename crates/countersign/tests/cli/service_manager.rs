//! What a service manager hears.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::Sandbox;

#[test]
fn it_hears_that_the_server_is_ready_and_that_it_stops() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let hear = || {
        let mut message = [0; 64];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut server = sandbox.serve_with(&[], &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert_eq!(hear(), "READY=1");
    server.terminate();
    assert_eq!(hear(), "STOPPING=1");
    assert_eq!(server.ended().code(), Some(0));
}
