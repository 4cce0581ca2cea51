//! Tasks of the local server.

use std::pin::Pin;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Tasks that serve until they are told to stop.
#[derive(Default)]
pub(super) struct Running {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        serve: impl FnOnce(Stopped) -> F,
    ) {
        let mut stopped = self.stop.subscribe();
        self.tasks.spawn(serve(Box::pin(async move {
            // An error means the sender is gone: that is a stop, too.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        })));
    }

    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        self.tasks.join_all().await;
    }
}

/// Resolves when a task is told to stop.
pub(super) type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;
