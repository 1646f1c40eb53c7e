//! Uploads that replace each other, events that come twice, late and in any order, deliveries side by side that die at any
//! call, and a deletion at any moment: in the end there is exactly one set of thumbnails, that of the last upload.

use crate::tests::{SEQUENCER, State, aws, deliver, gif, pending, sample, with_body};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use proptest::prelude::*;
use serde_json::json;
use shared::attachment::{ObjectKey, Sequencer, ThumbnailSet};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// In their order, though not of one length.
const SEQUENCERS: [&str; 4] = ["0055AED6", "0055AED6DC", "0055AED6DC9", "0055AED7"];
const STEPS_UNTIL_QUIET: usize = 20_000;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Upload(Content),
    /// An event that is queued is delivered; so it may be delivered twice at once.
    Deliver(usize),
    /// A delivery goes on until its next call.
    GoOn(usize),
    /// A delivery dies where it is.
    Die(usize),
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Red,
    Blue,
    Text,
}

impl Content {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Red => gif(),
            Self::Blue => gif().into_iter().map(|byte| if byte == 0xFF { 0xEE } else { byte }).collect(),
            Self::Text => b"just text".to_vec(),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let content = prop_oneof![Just(Content::Red), Just(Content::Blue), Just(Content::Text)];
    prop_oneof![
        3 => content.prop_map(Step::Upload),
        4 => (0_usize..8).prop_map(Step::Deliver),
        30 => (0_usize..8).prop_map(Step::GoOn),
        2 => (0_usize..8).prop_map(Step::Die),
        1 => Just(Step::Delete),
    ]
}

type Running<T> = Pin<Box<dyn Future<Output = T>>>;

/// AWS, the queue of events, and what runs.
struct World {
    state: Arc<Mutex<State>>,
    uploads: Vec<Content>,
    /// By the upload; an event goes when a delivery of it succeeded.
    queued: BTreeSet<usize>,
    running: Vec<(usize, Running<SqsBatchResponse>)>,
    /// What the stream leads to when the attachment is deleted.
    removal: Option<Running<()>>,
    is_deleted: bool,
}

impl World {
    fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(pending())),
            uploads: Vec::new(),
            queued: BTreeSet::new(),
            running: Vec::new(),
            removal: None,
            is_deleted: false,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Upload(content) if self.uploads.len() < SEQUENCERS.len() => {
                self.state.lock().unwrap().upload = Some(content.bytes());
                self.queued.insert(self.uploads.len());
                self.uploads.push(content);
            }
            Step::Deliver(which) if !self.queued.is_empty() => {
                let event = *self.queued.iter().nth(which % self.queued.len()).unwrap();
                let aws = aws(&self.state).yielding();
                self.running.push((event, Box::pin(async move { deliver(&aws, told(event)).await })));
            }
            Step::GoOn(which) if !self.running.is_empty() => {
                let which = which % self.running.len();
                self.go_on(which).await;
            }
            Step::Die(which) if !self.running.is_empty() => {
                let which = which % self.running.len();
                drop(self.running.swap_remove(which));
            }
            Step::Delete if !self.is_deleted => {
                self.is_deleted = true;
                self.state.lock().unwrap().item = None;
                let objects = aws(&self.state).yielding().objects();
                self.removal = Some(Box::pin(async move { objects.remove(&key()).await.unwrap() }));
            }
            _ => {}
        }
    }

    async fn go_on(&mut self, which: usize) {
        let (event, delivery) = &mut self.running[which];
        if let Some(response) = once(delivery).await {
            assert!(response.batch_item_failures.is_empty(), "AWS did not fail");
            self.queued.remove(event);
            drop(self.running.swap_remove(which));
        }
    }

    /// Until nothing is queued and nothing runs.
    async fn settle(&mut self) {
        for _ in 0..STEPS_UNTIL_QUIET {
            if let Some(removal) = &mut self.removal
                && once(removal).await.is_some()
            {
                self.removal = None;
            }
            match (self.running.is_empty(), self.queued.is_empty()) {
                (false, _) => self.go_on(0).await,
                (true, false) => self.take(Step::Deliver(0)).await,
                (true, true) if self.removal.is_none() => return,
                _ => {}
            }
        }
        panic!("it does not come to rest");
    }

    fn assert_right(&self) {
        let state = self.state.lock().unwrap();
        if self.is_deleted {
            assert!(state.thumbnails.is_empty() && state.upload.is_none(), "{:?}", state.thumbnails);
            return;
        }
        let item = state.item.as_ref().unwrap();
        let Some(last) = self.uploads.last() else {
            return assert_eq!(item["status"]["S"], "pending");
        };
        if *last == Content::Text {
            assert_eq!(item["status"]["S"], "failed");
            assert!(
                item.get("thumbnail_set").is_none() && state.thumbnails.is_empty(),
                "{:?}",
                state.thumbnails
            );
            return;
        }
        let sequencer = Sequencer::new(SEQUENCERS[self.uploads.len() - 1]);
        let set = ThumbnailSet::new(&sequencer, &last.bytes());
        assert_eq!(item["status"]["S"], "ready");
        assert_eq!(item["thumbnail_set"]["S"], json!(set));
        let expected = [160, 480, 1280].map(|size| key().thumbnail(&set, Default::default(), size));
        assert_eq!(state.thumbnails, expected.into());
    }
}

/// Polls it once.
async fn once<T>(future: &mut Running<T>) -> Option<T> {
    // A task that never waits is soon given nothing more.
    tokio::task::yield_now().await;
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

fn key() -> ObjectKey {
    let body = sample().records[0].body.clone().unwrap();
    let upload = crate::notification::uploads(&body).unwrap().remove(0);
    ObjectKey::parse_upload(&upload.key).unwrap()
}

fn told(upload: usize) -> SqsEvent {
    let body = sample().records[0].body.clone().unwrap();
    with_body(&body.replace(SEQUENCER, SEQUENCERS[upload]))
}

fn run(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new();
        for &step in steps {
            world.take(step).await;
        }
        world.settle().await;
        world.assert_right();
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn exactly_the_last_uploads_thumbnails_remain_whatever_happened(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        run(&steps);
    }
}

/// The first event is overtaken at every one of its calls.
#[test]
fn a_late_event_never_takes_a_later_ones_place() {
    for overtaken_after in 0..30 {
        let mut steps = vec![Step::Upload(Content::Red), Step::Deliver(0)];
        steps.extend([Step::GoOn(0)].repeat(overtaken_after));
        steps.extend([Step::Upload(Content::Blue), Step::Deliver(1)]);
        steps.extend([Step::GoOn(1)].repeat(60));
        run(&steps);
    }
}
