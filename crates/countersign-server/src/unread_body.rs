//! What becomes of a request body that nobody wants.
//!
//! A gateway may send the original request's body along, or only promise it
//! (nginx does, unless told otherwise) and never send it. The answer waits for
//! neither. But a connection on which the rest of a body may still come cannot
//! carry another request, and one that is closed with bytes unread is reset,
//! which can take the answer with it: the gateway would ask again, and a token
//! is good only once.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::request::Parts;
use http::{HeaderValue, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::task::yield_now;

/// How much of a body is read for nothing before the connection is given up, in bytes.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;
/// How long the rest of a body may take before the connection is given up.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the connection gets a chance to hand over bytes that are there.
const CHANCES: usize = 4;

/// How much of a body was there when the answer was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrived {
    Nothing,
    Something,
    Everything,
}

/// Lets the answer go at once, and decides what becomes of the connection.
///
/// What of the body has come is read away. If all has, the connection stays
/// open. If it is evidently on its way and not too long, it is read away while
/// the answer travels. Else HTTP/1 announces that the connection closes, and
/// reading goes on for a moment so that the other side gets to see the answer.
/// In HTTP/2, where a body belongs to a stream, nothing needs doing.
pub(crate) async fn settle(head: &Parts, mut body: Body, response: &mut Response) {
    if body.is_end_stream() || head.version > Version::HTTP_11 {
        return;
    }
    // Reading would ask a caller that waits for `100 Continue` to send; the
    // answer tells it not to (RFC 9110 section 10.1.1).
    let arrived = if head.headers.contains_key(EXPECT) {
        Arrived::Nothing
    } else {
        read_what_is_there(&mut body).await
    };
    if arrived == Arrived::Everything {
        return;
    }
    let bounded = body.size_hint().upper().is_some_and(|rest| rest <= MAX_DISCARDED_BYTES as u64);
    if arrived == Arrived::Nothing || !bounded {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    tokio::spawn(tokio::time::timeout(DISCARD_TIMEOUT, discard(body)));
}

async fn read_what_is_there(body: &mut Body) -> Arrived {
    let mut arrived = Arrived::Nothing;
    let mut discarded = 0;
    while discarded <= MAX_DISCARDED_BYTES {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = every_chance() => return arrived,
        };
        match frame {
            Some(Ok(frame)) => discarded += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) => return Arrived::Nothing,
            None => return Arrived::Everything,
        }
        arrived = Arrived::Something;
    }
    arrived
}

/// The connection's bytes come through the very task that runs this: each time
/// it steps back, the connection is polled once.
async fn every_chance() {
    for _ in 0..CHANCES {
        yield_now().await;
    }
}

async fn discard(mut body: Body) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > MAX_DISCARDED_BYTES {
            return;
        }
    }
}
