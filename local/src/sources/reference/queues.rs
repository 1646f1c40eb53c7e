//! Scripts for a queue mapping over the embedded queues: messages, answers, crashes, restarts and time, shown to the model of
//! `queue_model.rs`.

use super::super::endpoint::Message;
use super::super::testing::queue_source;
use super::answers::{Answer, Meaning, answers};
use super::embedded::Embedded;
use super::host::Deed;
use super::queue_model::{Delivery, Model, Place, Rules};
use super::stage::Stage;
use super::{cases, told};
use crate::app::QueueSource;
use crate::lambda::Outcome;
use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

type Checked = Result<(), TestCaseError>;

const GROUPS: usize = 3;
/// Batches at once where `MaximumConcurrency` says nothing.
const USUAL_CONCURRENCY: usize = 5;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Action {
    Send(Vec<Sent>),
    /// One of the running invocations ends (counted from the oldest, again and again).
    Answer(usize, Answer),
    /// There is nothing to run on: the oldest invocation is throttled so many times.
    Shortage(usize),
    Wait(TimeDelta),
    /// `kill -9`; the invocation has ended by then or not, but nobody noticed.
    Crash(Option<(usize, Answer)>),
    /// An orderly end, at which the running invocations end so.
    Stop(Answer),
    Start,
}

/// A message to be sent.
#[derive(Clone, Debug)]
struct Sent {
    /// Of FIFO queues.
    group: usize,
    kind: &'static str,
    /// Seconds; of standard queues.
    delay: i64,
}

fn sent() -> impl Strategy<Value = Sent> {
    let kind = prop_oneof![4 => Just("wanted"), 1 => Just("other")];
    let delay = prop_oneof![4 => Just(0i64), 1 => 1i64..40];
    (0..GROUPS, kind, delay).prop_map(|(group, kind, delay)| Sent { group, kind, delay })
}

fn wait() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![
        3 => (50i64..900).prop_map(TimeDelta::milliseconds),
        4 => (1i64..12).prop_map(TimeDelta::seconds),
        3 => (12i64..70).prop_map(TimeDelta::seconds),
        1 => (2i64..20).prop_map(TimeDelta::minutes),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => prop::collection::vec(sent(), 1..6).prop_map(Action::Send),
        10 => (0usize..4, answers()).prop_map(|(which, answer)| Action::Answer(which, answer)),
        1 => (1usize..8).prop_map(Action::Shortage),
        7 => wait().prop_map(Action::Wait),
        1 => prop::option::of((0usize..4, answers())).prop_map(Action::Crash),
        1 => answers().prop_map(Action::Stop),
        3 => Just(Action::Start),
    ]
}

/// A queue and its mapping.
#[derive(Clone, Debug)]
struct Settings {
    fifo: bool,
    /// Seconds.
    visibility: i64,
    delay: i64,
    receives: u32,
    source: QueueSource,
}

fn settings() -> impl Strategy<Value = Settings> {
    let batch = prop_oneof![
        4 => (1u32..=10, Just(0u64)),
        2 => (1u32..=10, 1u64..40),
        1 => (11u32..=14, 1u64..90),
    ];
    let delay = prop_oneof![3 => Just(0i64), 1 => 1i64..20];
    let concurrency = prop::option::weighted(0.7, 2u32..4);
    // Many so short that they end during an invocation: that is where orders break.
    let visibility = prop_oneof![3i64..12, 12i64..60];
    let flags = (any::<bool>(), prop::bool::weighted(0.8), prop::bool::weighted(0.3));
    (flags, visibility, delay, 1u32..5, batch, concurrency).prop_map(
        |(
            (fifo, report, filtered),
            visibility,
            delay,
            receives,
            (batch_size, window),
            maximum_concurrency,
        )| {
            let filters = if filtered { vec![json!({"body": {"kind": ["wanted"]}})] } else { Vec::new() };
            let queue_name = queue(fifo).to_owned();
            let source = QueueSource {
                queue_arn: arn(&queue_name),
                queue_name,
                batch_size,
                window: Duration::from_secs(window),
                report_batch_item_failures: report,
                maximum_concurrency,
                filters,
                ..queue_source()
            };
            Settings { fifo, visibility, delay, receives, source }
        },
    )
}

fn queue(fifo: bool) -> &'static str {
    if fifo { "jobs.fifo" } else { "jobs" }
}

fn dead_letters(fifo: bool) -> &'static str {
    if fifo { "dead.fifo" } else { "dead" }
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:123456789012:{queue}")
}

impl Settings {
    /// The model's reading of them.
    fn rules(&self) -> Rules {
        Rules {
            fifo: self.fifo,
            visibility: TimeDelta::seconds(self.visibility),
            receives: self.receives,
            batch_size: self.source.batch_size as usize,
            window: TimeDelta::from_std(self.source.window).expect("a short time"),
            concurrency: self.source.maximum_concurrency.map_or(USUAL_CONCURRENCY, |most| most as usize),
        }
    }

    fn create(&self, queues: &Embedded) {
        let mut attributes = json!({});
        if self.fifo {
            attributes["FifoQueue"] = "true".into();
        }
        queues.create(dead_letters(self.fifo), &attributes);
        let redrive =
            json!({"deadLetterTargetArn": arn(dead_letters(self.fifo)), "maxReceiveCount": self.receives});
        attributes["RedrivePolicy"] = redrive.to_string().into();
        attributes["VisibilityTimeout"] = self.visibility.to_string().into();
        attributes["DelaySeconds"] = self.delay.to_string().into();
        queues.create(queue(self.fifo), &attributes);
    }
}

/// A mapping, everything around it, and the model that watches.
struct Case {
    settings: Settings,
    queues: Arc<Embedded>,
    stage: Stage,
    /// Message ids of each running invocation.
    running: BTreeMap<usize, Vec<String>>,
    model: Model,
}

impl Case {
    fn new(settings: Settings, queues: Arc<Embedded>) -> Self {
        let stage = Stage::on(queues.clock.clone(), |app| app.queue_sources.push(settings.source.clone()));
        queues.begin(stage.deeds.clone());
        settings.create(&queues);
        let model = Model::new(settings.rules());
        Self { settings, queues, stage, running: BTreeMap::new(), model }
    }

    fn act(&mut self, action: &Action) -> Checked {
        self.stage.note(action);
        match action {
            Action::Send(messages) => messages.iter().for_each(|sent| self.send(sent)),
            Action::Answer(which, answer) => self.answer(*which, answer),
            Action::Shortage(times) => {
                for _ in 0..*times {
                    self.act(&Action::Answer(0, Answer::Throttled))?;
                    self.act(&Action::Wait(TimeDelta::seconds(1)))?;
                }
            }
            Action::Wait(time) => self.stage.pass(*time),
            Action::Crash(unnoticed) => self.crash(unnoticed.as_ref()),
            Action::Stop(answer) => return self.stop(answer),
            Action::Start if self.stage.runs() => {}
            Action::Start => self.stage.start_with_queues(self.queues.clone()),
        }
        self.look()
    }

    fn send(&mut self, sent: &Sent) {
        let number = self.model.len().to_string();
        let body = json!({ "number": number, "kind": sent.kind }).to_string();
        let mut message = json!({ "QueueUrl": queue(self.settings.fifo), "MessageBody": body });
        let mut delay = self.settings.delay;
        if self.settings.fifo {
            message["MessageGroupId"] = sent.group.to_string().into();
            message["MessageDeduplicationId"] = number.into();
        } else if sent.delay > 0 {
            message["DelaySeconds"] = sent.delay.into();
            delay = sent.delay;
        }
        self.queues.send(&message);
        let wanted = self.settings.source.filters.is_empty() || sent.kind == "wanted";
        let visible = self.stage.now() + TimeDelta::seconds(delay);
        self.model.sent(self.settings.fifo.then_some(sent.group), wanted, visible);
    }

    /// Ends a running invocation; gives what that means.
    fn end(&mut self, which: usize, answer: &Answer) -> Option<(usize, Meaning)> {
        let which = which.checked_rem(self.running.len())?;
        let call = *self.running.keys().nth(which).expect("a running call");
        let ids = self.running.remove(&call).expect("a running call");
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let (outcome, meaning): (Outcome, Meaning) =
            answer.to(&ids, self.settings.source.report_batch_item_failures);
        self.stage.function.end(call, outcome);
        Some((call, meaning))
    }

    fn answer(&mut self, which: usize, answer: &Answer) {
        if let Some((call, meaning)) = self.end(which, answer) {
            self.model.answered(call, &meaning, self.stage.now());
        }
    }

    fn crash(&mut self, unnoticed: Option<&(usize, Answer)>) {
        // Whatever the function did last, the host never heard of it.
        if let Some((which, answer)) = unnoticed {
            self.end(*which, answer);
        }
        self.stage.kill();
        self.running.clear();
        self.model.crashed();
    }

    fn stop(&mut self, answer: &Answer) -> Checked {
        let Some(host) = self.stage.leave() else { return Ok(()) };
        self.model.stopping();
        host.stop(|| {
            while !self.running.is_empty() {
                self.answer(0, answer);
            }
        });
        self.watch()?;
        self.model.stopped(&self.places(), self.stage.now())
    }

    /// Lets the host do what it can and shows it to the model.
    fn look(&mut self) -> Checked {
        // What it did may be what it waited for: without hints it has to be woken again.
        loop {
            self.stage.settle();
            if !self.watch()? {
                break;
            }
        }
        self.model.quiet(&self.places(), self.stage.runs(), self.stage.now())
    }

    /// Whether there was anything to see.
    fn watch(&mut self) -> Result<bool, TestCaseError> {
        let now = self.stage.now();
        let deeds = self.stage.look();
        let any = !deeds.is_empty();
        for deed in deeds {
            match deed {
                Deed::Received(messages) => {
                    let deliveries: Vec<Delivery> = messages.iter().map(delivery).collect();
                    self.model.received(&deliveries, now)?;
                }
                Deed::Called { call, payload, .. } => {
                    let records = payload["Records"].as_array().expect("records");
                    let deliveries: Vec<Delivery> = records.iter().map(record).collect();
                    self.model.called(call, &deliveries, now)?;
                    let ids = records.iter().map(|record| text(&record["messageId"])).collect();
                    self.running.insert(call, ids);
                }
                Deed::Deleted { receipt } => self.model.deleted(&receipt, now)?,
                Deed::GivenBack { receipt, seconds } => self.model.given_back(&receipt, seconds, now)?,
                other => prop_assert!(false, "it has no business to do this: {other:?}"),
            }
        }
        Ok(any)
    }

    /// Where each message lies.
    fn places(&self) -> Vec<Place> {
        let mut places = vec![Place::Nowhere; self.model.len()];
        for message in self.queues.peek(queue(self.settings.fifo)) {
            places[number(&message.body)] = Place::Queue(message.receive_count);
        }
        for message in self.queues.peek(dead_letters(self.settings.fifo)) {
            places[number(&message.body)] = Place::DeadLetters;
        }
        places
    }

    /// From here on all goes well: in the end every message is deleted or a dead letter.
    fn finish(&mut self) -> Checked {
        self.act(&Action::Start)?;
        for _ in 0..400 {
            if self.model.all_over() {
                return Ok(());
            }
            let next = match self.running.is_empty() {
                true => Action::Wait(TimeDelta::seconds(61)),
                false => Action::Answer(0, Answer::Well(0)),
            };
            self.act(&next)?;
        }
        prop_assert!(false, "some messages are never done with");
        Ok(())
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(body: &str) -> usize {
    let body: Value = serde_json::from_str(body).expect("our own body");
    text(&body["number"]).parse().expect("a number")
}

fn delivery(message: &Message) -> Delivery {
    Delivery {
        number: number(&message.body),
        receipt: message.receipt_handle.clone(),
        receives: message.attributes["ApproximateReceiveCount"].parse().expect("a number"),
    }
}

fn record(record: &Value) -> Delivery {
    Delivery {
        number: number(&text(&record["body"])),
        receipt: text(&record["receiptHandle"]),
        receives: text(&record["attributes"]["ApproximateReceiveCount"]).parse().expect("a number"),
    }
}

thread_local! {
    static QUEUES: Arc<Embedded> = Embedded::open();
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// Every message is deleted after it succeeded or because no filter wants it, or becomes a dead letter; received as often
    /// as it may be and never while it is hidden, in batches as they must be, and of a message group in order.
    #[test]
    fn a_queue_mapping_does_what_its_model_says(
        settings in settings(),
        script in prop::collection::vec(action(), 0..30),
    ) {
        let mut case = Case::new(settings, QUEUES.with(Arc::clone));
        let played = std::iter::once(&Action::Start).chain(&script).try_for_each(|action| case.act(action));
        told(played.and_then(|()| case.finish()), &case.stage.story)?;
    }
}
