//! A thread that makes calls for those who wait.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::Builder;

use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;

use crate::call::CallError;

/// A runtime on a thread of its own. It ends when the last clone goes.
///
/// `Runtime::block_on` on the caller's thread would panic in async code, and so would
/// dropping a runtime there; here both are done by the thread that owns it.
#[derive(Clone, Debug)]
pub(super) struct CallThread {
    handle: Handle,
    /// Dropped with the last clone, which is how the thread learns of it.
    _stop: Arc<oneshot::Sender<()>>,
}

impl CallThread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        Builder::new().name("countersign-client".to_owned()).spawn(move || {
            // It is an error by design: nothing is ever sent.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { handle, _stop: Arc::new(stop) })
    }

    /// Does the work on the thread and waits for it.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, CallError> {
        let (tell, told) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // The one who waits cannot have gone away.
            let _ = tell.send(work.await);
        });
        told.recv().map_err(|_| CallError::CutOff)
    }
}
