//! Scripts for asynchronous invocations: events, answers, crashes, restarts and time, shown to the model of
//! `asynchronous_model.rs`.

use super::super::testing::{FAILURES, answer, function_error};
use super::asynchronous_model::{Ending, Model, Rules, payload};
use super::host::Deed;
use super::stage::Stage;
use super::{cases, told};
use crate::app::Asynchronous;
use crate::lambda::{Outcome, Source};
use bytes::Bytes;
use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

type Checked = Result<(), TestCaseError>;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Action {
    /// An event for one of the functions, of Scheduler or of somebody else.
    Accept {
        function: usize,
        scheduled: bool,
    },
    /// Something that is no event.
    Misfit,
    /// One of the running invocations ends (counted from the oldest, again and again).
    Answer(usize, Ending),
    /// The clock moves, perhaps backwards.
    Wait(TimeDelta),
    /// `kill -9`; the invocation has ended by then or not, but nobody noticed.
    Crash(Option<usize>),
    /// An orderly end, at which the running invocations end so.
    Stop(Ending),
    Start,
    /// The destination refuses messages from now on, or takes them again.
    Refuse(bool),
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![2 => Just(Ending::Well), 5 => Just(Ending::Error), 2 => Just(Ending::Throttled)]
}

fn wait() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![
        4 => (1i64..60).prop_map(TimeDelta::seconds),
        4 => (1i64..=2).prop_map(TimeDelta::minutes),
        2 => (3i64..20).prop_map(TimeDelta::minutes),
        2 => (1i64..7).prop_map(TimeDelta::hours),
        1 => (-7200i64..0).prop_map(TimeDelta::seconds),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0usize..2, any::<bool>()).prop_map(|(function, scheduled)| Action::Accept { function, scheduled }),
        1 => Just(Action::Misfit),
        12 => (0usize..4, ending()).prop_map(|(which, ending)| Action::Answer(which, ending)),
        8 => wait().prop_map(Action::Wait),
        1 => prop::option::of(0usize..4).prop_map(Action::Crash),
        1 => ending().prop_map(Action::Stop),
        3 => Just(Action::Start),
        1 => any::<bool>().prop_map(Action::Refuse),
    ]
}

fn configuration() -> impl Strategy<Value = Asynchronous> {
    let age = prop_oneof![Just(60u64), 60u64..600, Just(21_600)];
    (0u32..=2, age, prop::bool::weighted(0.8)).prop_map(|(retries, age, destination)| Asynchronous {
        maximum_retry_attempts: retries,
        maximum_event_age: Duration::from_secs(age),
        on_failure: destination.then(|| FAILURES.to_owned()),
        ..Asynchronous::default()
    })
}

struct Case {
    stage: Stage,
    /// Of each function.
    rules: Vec<Rules>,
    /// The running invocations, oldest first.
    running: BTreeSet<usize>,
    model: Model,
}

impl Case {
    fn new(configurations: &[Asynchronous]) -> Self {
        let mut rules = Vec::new();
        let stage = Stage::new(|app| {
            let template = app.functions.remove(0);
            for (number, configuration) in configurations.iter().enumerate() {
                let function = format!("F{number}");
                let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{function}");
                rules.push(Rules {
                    function: function.clone(),
                    arn: arn.clone(),
                    retries: configuration.maximum_retry_attempts,
                    age: TimeDelta::from_std(configuration.maximum_event_age).expect("a short time"),
                    destination: configuration.on_failure.is_some(),
                });
                let asynchronous = configuration.clone();
                app.functions.push(crate::app::Function {
                    name: function,
                    arn,
                    asynchronous,
                    ..template.clone()
                });
            }
        });
        Self { stage, rules, running: BTreeSet::new(), model: Model::default() }
    }

    fn act(&mut self, action: &Action) -> Checked {
        self.stage.note(action);
        match action {
            Action::Accept { function, scheduled } => self.accept(*function, *scheduled),
            Action::Misfit => self.misfit()?,
            Action::Answer(which, ending) => self.answer(*which, *ending),
            Action::Wait(time) => self.stage.pass(*time),
            Action::Crash(unnoticed) => self.crash(*unnoticed),
            Action::Stop(ending) => return self.stop(*ending),
            Action::Start if self.stage.runs() => {}
            Action::Start => self.stage.start(),
            Action::Refuse(refuse) => self.stage.outbox.refuse(*refuse),
        }
        self.look()
    }

    fn accept(&mut self, function: usize, scheduled: bool) {
        let Some(sources) = self.stage.sources() else { return };
        let source = if scheduled { Source::Schedule } else { Source::Asynchronous };
        let rules = &self.rules[function];
        let event = Bytes::from(payload(self.model.len()).to_string());
        let request = sources.invoke_asynchronously(&rules.function, &event, source);
        self.model.accepted(rules, source, request.expect("an event is accepted"), self.stage.now());
    }

    fn misfit(&self) -> Checked {
        let Some(sources) = self.stage.sources() else { return Ok(()) };
        for (function, payload) in [("F0", "not JSON"), ("nobody", "{}")] {
            let payload = Bytes::from_static(payload.as_bytes());
            let refused = sources.invoke_asynchronously(function, &payload, Source::Asynchronous);
            prop_assert!(refused.is_err(), "{function} took it");
        }
        Ok(())
    }

    fn answer(&mut self, which: usize, ending: Ending) {
        if self.running.is_empty() {
            return;
        }
        let call = *self.running.iter().nth(which % self.running.len()).expect("a running call");
        self.running.remove(&call);
        let outcome = match ending {
            Ending::Well => answer(&json!({})),
            Ending::Error => function_error(),
            Ending::Throttled => Outcome::Throttled,
        };
        self.stage.function.end(call, outcome);
        self.model.answered(call, ending, self.stage.now());
    }

    fn crash(&mut self, unnoticed: Option<usize>) {
        // Whatever the function did last, the host never heard of it.
        if let Some(call) = unnoticed.and_then(|which| self.running.iter().nth(which).copied()) {
            self.running.remove(&call);
            self.stage.function.end(call, answer(&json!({})));
        }
        self.stage.kill();
        self.running.clear();
        self.model.crashed();
    }

    fn stop(&mut self, ending: Ending) -> Checked {
        let Some(host) = self.stage.leave() else { return Ok(()) };
        host.stop(|| {
            while !self.running.is_empty() {
                self.answer(0, ending);
            }
        });
        self.watch()?;
        prop_assert!(self.running.is_empty(), "a host that stops starts nothing");
        Ok(())
    }

    /// Lets the host do what it can and shows it to the model.
    fn look(&mut self) -> Checked {
        self.stage.settle();
        self.watch()?;
        let Some(sources) = self.stage.sources() else { return Ok(()) };
        let kept = self.stage.state().list::<Value>("asynchronous-invocation").expect("a state");
        let kept = kept.into_iter().map(|(request, _)| request).collect();
        self.model.quiet(&kept, sources.next_due(), self.stage.now())
    }

    fn watch(&mut self) -> Checked {
        let now = self.stage.now();
        for deed in self.stage.look() {
            match deed {
                Deed::Called { call, function, source, payload } => {
                    self.model.called(call, (&function, source), &payload, now)?;
                    self.running.insert(call);
                }
                Deed::Sent { body, .. } => self.model.told(&body, true, now)?,
                Deed::Refused { body, .. } => self.model.told(&body, false, now)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// From here on all goes well: in the end every event is over.
    fn finish(&mut self) -> Checked {
        self.act(&Action::Start)?;
        self.act(&Action::Refuse(false))?;
        for _ in 0..400 {
            if self.model.all_over() {
                return Ok(());
            }
            let next = match self.running.is_empty() {
                true => Action::Wait(TimeDelta::minutes(30)),
                false => Action::Answer(0, Ending::Well),
            };
            self.act(&next)?;
        }
        prop_assert!(false, "some events are never over");
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// Every event succeeds last, or is told to the destination if there is one; tried when and as often as it must be, and
    /// kept over crashes.
    #[test]
    fn asynchronous_invocations_do_what_their_model_says(
        configurations in [configuration(), configuration()],
        script in prop::collection::vec(action(), 0..40),
    ) {
        let mut case = Case::new(&configurations);
        let played = std::iter::once(&Action::Start).chain(&script).try_for_each(|action| case.act(action));
        told(played.and_then(|()| case.finish()), &case.stage.story)?;
    }
}
