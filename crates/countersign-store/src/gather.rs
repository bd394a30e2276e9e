//! How the tasks that write in groups let a group grow.

use tokio::sync::mpsc;

/// Lets callers that are just arriving join, for as long as more of them do, up to `most`.
///
/// A statement and a commit cost about the same for one of them and for many, and on one
/// core the writer would else run after every single one.
pub(crate) async fn gather<T>(queue: &mut mpsc::Receiver<T>, gathered: &mut Vec<T>, most: usize) {
    while gathered.len() < most {
        tokio::task::yield_now().await;
        if queue.is_empty() {
            return;
        }
        let room = most - gathered.len();
        queue.recv_many(gathered, room).await;
    }
}
