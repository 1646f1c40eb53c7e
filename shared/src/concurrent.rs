//! Several invocations at a time in one environment, as on Lambda Managed Instances.
//!
//! The runtime gives each of its loops a task of its own, whose futures must be `Send` and own what they use. Handlers borrow:
//! one set of clients, for as long as the process lives. So invocations go by a channel from those tasks to the one that
//! owns the handler, which works on all of them side by side. All wait for AWS far more than they compute, so that one
//! thread is enough for the one vCPU that an environment has.

use crate::runtime::{Error, LambdaEvent};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

/// An invocation, and who waits for its result.
type Call<E, R> = (LambdaEvent<E>, oneshot::Sender<Result<R, Error>>);

/// Takes invocations until the environment ends, as many at a time as Lambda allows.
pub(crate) async fn serve<E, R, F, Fut>(work: F) -> Result<(), Error>
where
    E: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    F: Fn(LambdaEvent<E>) -> Fut,
    Fut: Future<Output = Result<R, Error>>,
{
    // Never fuller than there are loops: each waits for its answer.
    let (calls, called) = mpsc::unbounded_channel::<Call<E, R>>();
    let service = lambda_runtime::service_fn(move |event: LambdaEvent<E>| {
        let calls = calls.clone();
        async move { call(&calls, event).await }
    });
    tokio::select! {
        ended = lambda_runtime::run_concurrent(service) => ended,
        () = answer_all(called, work) => Err("nobody takes invocations any more".into()),
    }
}

/// Has an invocation worked on where the handler is.
async fn call<E, R>(calls: &mpsc::UnboundedSender<Call<E, R>>, event: LambdaEvent<E>) -> Result<R, Error> {
    let (answer, answered) = oneshot::channel();
    calls.send((event, answer)).map_err(|_| "the handler is gone")?;
    answered.await.map_err(|_| "the handler is gone")?
}

/// Works on all that is called for, side by side.
async fn answer_all<E, R, F, Fut>(mut called: mpsc::UnboundedReceiver<Call<E, R>>, work: F)
where
    F: Fn(LambdaEvent<E>) -> Fut,
    Fut: Future<Output = Result<R, Error>>,
{
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            call = called.recv() => match call {
                Some((event, answer)) => running.push(answer_one(work(event), answer)),
                None => return,
            },
            Some(()) = running.next(), if !running.is_empty() => {}
        }
    }
}

async fn answer_one<R, Fut>(work: Fut, answer: oneshot::Sender<Result<R, Error>>)
where
    Fut: Future<Output = Result<R, Error>>,
{
    // Nobody waits when the environment ends.
    let _ended = answer.send(work.await);
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_runtime::Context;
    use tokio::sync::Barrier;

    /// Calls `work` with each of `events` at once; what each came to, in their order.
    async fn called<F, Fut>(events: &[u32], work: F) -> Vec<Result<u32, String>>
    where
        F: Fn(LambdaEvent<u32>) -> Fut,
        Fut: Future<Output = Result<u32, Error>>,
    {
        let (calls, receiver) = mpsc::unbounded_channel();
        let all = events.iter().map(|&event| {
            let event = LambdaEvent::new(event, Context::default());
            async { call(&calls, event).await.map_err(|error| error.to_string()) }
        });
        tokio::select! {
            results = futures_util::future::join_all(all) => results,
            () = answer_all(receiver, work) => unreachable!("the sender lives"),
        }
    }

    #[tokio::test]
    async fn invocations_run_side_by_side_and_each_gets_its_own_answer() {
        // None of them ends before all have begun.
        let barrier = &Barrier::new(3);
        let results = called(&[1, 2, 3], |event| async move {
            barrier.wait().await;
            Ok(event.payload * 10)
        })
        .await;
        assert_eq!(results, [Ok(10), Ok(20), Ok(30)]);
    }

    #[tokio::test]
    async fn an_error_is_that_of_one_invocation() {
        let results = called(&[1, 2], |event| async move {
            match event.payload {
                1 => Err("it broke".into()),
                number => Ok(number),
            }
        })
        .await;
        assert_eq!(results, [Err("it broke".into()), Ok(2)]);
    }
}
