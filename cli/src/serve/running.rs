//! Background tasks of the local server.

use std::pin::Pin;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A group of tasks that run until they are stopped.
#[derive(Default)]
pub(super) struct RunningTasks {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl RunningTasks {
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        serve: impl FnOnce(Stopped) -> F,
    ) {
        let mut stopped = self.stop.subscribe();
        self.tasks.spawn(serve(Box::pin(async move {
            // An error means that the sender was dropped, which also means stop.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        })));
    }

    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        self.tasks.join_all().await;
    }
}

/// Resolves when the task must stop.
pub(super) type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;
