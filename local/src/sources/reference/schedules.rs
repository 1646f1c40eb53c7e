//! Scripts for a schedule: time forward and back, crashes, restarts, and a Lambda or a dead-letter queue that takes nothing for
//! a while, shown to the model of `schedule_model.rs`.

use super::super::endpoint::MessageAttribute;
use super::super::testing::{FAILURES, answer, schedule};
use super::host::Deed;
use super::schedule_model::{Day, Letter, Model, Rules, Status, When};
use super::stage::Stage;
use super::{cases, told};
use crate::app::Schedule;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

type Checked = Result<(), TestCaseError>;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Action {
    /// The clock moves, perhaps backwards.
    Wait(TimeDelta),
    /// `kill -9`.
    Crash,
    /// An orderly end.
    Stop,
    Start,
    /// Lambda accepts nothing from now on, because the host's state cannot be written, or accepts again.
    RefuseRuns(bool),
    /// The dead-letter queue takes nothing from now on, or takes messages again.
    RefuseLetters(bool),
}

fn wait() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![
        5 => (1i64..100).prop_map(TimeDelta::seconds),
        5 => (2i64..90).prop_map(TimeDelta::minutes),
        4 => (60i64..1_600).prop_map(TimeDelta::minutes),
        1 => (1_500i64..60_000).prop_map(TimeDelta::minutes),
        2 => (-20_000i64..0).prop_map(TimeDelta::seconds),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => wait().prop_map(Action::Wait),
        2 => Just(Action::Crash),
        1 => Just(Action::Stop),
        4 => Just(Action::Start),
        1 => any::<bool>().prop_map(Action::RefuseRuns),
        1 => any::<bool>().prop_map(Action::RefuseLetters),
    ]
}

/// Zones, each with days before its clocks change.
const ZONES: [(Tz, [&str; 2]); 5] = [
    (Tz::UTC, ["2027-02-27T12:00:00", "2028-02-28T12:00:00"]),
    (Tz::Europe__Berlin, ["2027-03-27T20:00:00", "2027-10-30T20:00:00"]),
    (Tz::America__New_York, ["2027-03-14T02:00:00", "2027-11-07T00:00:00"]),
    // By half an hour only.
    (Tz::Australia__Lord_Howe, ["2027-04-03T10:00:00", "2027-10-02T10:00:00"]),
    (Tz::Asia__Kathmandu, ["2027-12-30T12:00:00", "2027-06-29T12:00:00"]),
];

fn at(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").expect("a time").and_utc()
}

/// A field of a cron expression as it is written, and what it means.
type Field = (String, BTreeSet<u32>);

fn field(end: u32, usual: u32) -> impl Strategy<Value = Field> {
    prop_oneof![
        1 => Just(("*".to_owned(), (0..end).collect())),
        3 => (0..end).prop_map(|one| (one.to_string(), BTreeSet::from([one]))),
        3 => (0..end, 1..=usual).prop_map(move |(first, step)| {
            (format!("{first}/{step}"), (first..end).step_by(step as usize).collect())
        }),
        1 => (0..end, 0..end).prop_map(|(one, other)| {
            let (first, last) = (one.min(other), one.max(other));
            (format!("{first}-{last}"), (first..=last).collect())
        }),
        2 => prop::collection::btree_set(0..end, 1..4).prop_map(|set| {
            let listed = set.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            (listed, set)
        }),
    ]
}

/// Both day fields as they are written, and what they mean.
fn day() -> impl Strategy<Value = ((String, String), Day)> {
    let of_month = |text: String, day: Day| ((text, "?".to_owned()), day);
    let of_week = |text: String, day: Day| (("?".to_owned(), text), day);
    prop_oneof![
        10 => Just(of_month("*".into(), Day::Every)),
        1 => (1u32..=31).prop_map(move |number| of_month(number.to_string(), Day::Number(number))),
        1 => Just(of_month("L".into(), Day::Last)),
        1 => Just(of_month("LW".into(), Day::LastWorkday)),
        1 => (1u32..=31).prop_map(move |number| of_month(format!("{number}W"), Day::WorkdayNear(number))),
        2 => (1u32..=7).prop_map(move |day| of_week(day.to_string(), Day::Weekdays([day].into()))),
        1 => Just(of_week("MON-FRI".into(), Day::Weekdays((2..=6).collect()))),
        1 => (1u32..=7, 1usize..=5).prop_map(move |(day, nth)| of_week(format!("{day}#{nth}"), Day::Nth(day, nth))),
        1 => (1u32..=7).prop_map(move |day| of_week(format!("{day}L"), Day::LastOf(day))),
    ]
}

/// An expression and what it means; `near` are the moments at which something may be expected.
fn when(near: DateTime<Utc>) -> impl Strategy<Value = (String, When)> {
    let cron =
        (field(60, 30), field(24, 12), day()).prop_map(|(minutes, hours, ((of_month, of_week), day))| {
            let text = format!("cron({} {} {of_month} * {of_week} *)", minutes.0, hours.0);
            (text, When::Cron { minutes: minutes.1, hours: hours.1, day })
        });
    let rate = prop_oneof![
        (1i64..90).prop_map(|n| (format!("rate({n} minutes)"), When::Rate(TimeDelta::minutes(n)))),
        (1i64..30).prop_map(|n| (format!("rate({n} hours)"), When::Rate(TimeDelta::hours(n)))),
        (1i64..3).prop_map(|n| (format!("rate({n} days)"), When::Rate(TimeDelta::days(n)))),
    ];
    let moment = (0i64..2_000).prop_map(move |minutes| {
        let local = (near + TimeDelta::minutes(minutes)).naive_utc();
        (local.format("at(%Y-%m-%dT%H:%M:%S)").to_string(), When::At(local))
    });
    prop_oneof![6 => cron, 2 => rate, 1 => moment]
}

/// A schedule, what it means, and when its script begins.
#[derive(Clone, Debug)]
struct Settings {
    begins: DateTime<Utc>,
    schedule: Schedule,
    rules: Rules,
}

fn settings() -> impl Strategy<Value = Settings> {
    let place = (prop::sample::select(&ZONES[..]), 0usize..2, 0i64..600);
    place.prop_flat_map(|((zone, days), which, late)| {
        let begins = at(days[which]) + TimeDelta::minutes(late);
        let date = || {
            prop::option::weighted(0.2, (-1_000i64..3_000).prop_map(move |n| begins + TimeDelta::minutes(n)))
        };
        let age = prop_oneof![4 => 60u64..4_000, 1 => Just(86_400)];
        let flags = (prop::bool::weighted(0.9), prop::bool::weighted(0.9), prop::bool::weighted(0.8));
        (when(begins), date(), date(), age, 0u32..4, flags).prop_map(
            move |((expression, when), from, until, age, retries, (enabled, valid, dead_letters))| Settings {
                begins,
                schedule: Schedule {
                    time_zone: zone.name().to_owned(),
                    start: from,
                    end: until,
                    input: if valid { schedule("").input } else { Some("not JSON".into()) },
                    enabled,
                    maximum_retry_attempts: retries,
                    maximum_event_age: Duration::from_secs(age),
                    dead_letter_queue: dead_letters.then(|| FAILURES.to_owned()),
                    ..schedule(&expression)
                },
                rules: Rules {
                    when,
                    zone,
                    from,
                    until,
                    enabled,
                    age: TimeDelta::from_std(Duration::from_secs(age)).expect("a day at most"),
                    retries,
                    valid,
                    dead_letters,
                },
            },
        )
    })
}

/// A schedule, everything around it, and the model that watches.
struct Case {
    stage: Stage,
    refuses: (bool, bool),
    dead_letters: bool,
    model: Model,
}

impl Case {
    fn new(settings: Settings) -> Self {
        let Settings { begins, schedule, rules } = settings;
        let stage = Stage::new(|app| app.schedules.push(schedule));
        stage.pass(begins - stage.now());
        Self { stage, refuses: (false, false), dead_letters: rules.dead_letters, model: Model::new(rules) }
    }

    fn act(&mut self, action: &Action) -> Checked {
        self.stage.note(action);
        match action {
            Action::Wait(time) => self.stage.pass(*time),
            Action::Crash => self.crash(),
            Action::Stop => self.stop()?,
            Action::Start => self.start(),
            // Nobody could tell when a run is given up without a word.
            Action::RefuseRuns(refuse) => self.refuse_runs(*refuse && self.dead_letters),
            Action::RefuseLetters(refuse) => {
                self.refuses.1 = *refuse;
                self.stage.outbox.refuse(*refuse);
            }
        }
        self.look()
    }

    fn refuse_runs(&mut self, refuse: bool) {
        self.refuses.0 = refuse;
        self.stage.state().refuse_writes(refuse);
    }

    fn start(&mut self) {
        if !self.stage.runs() {
            self.refuse_runs(false);
            self.stage.start();
            self.model.started(self.stage.now());
        }
    }

    fn crash(&mut self) {
        self.stage.kill();
        self.model.gone();
    }

    fn stop(&mut self) -> Checked {
        let Some(host) = self.stage.leave() else { return Ok(()) };
        host.stop(|| ());
        self.watch()?;
        self.model.gone();
        Ok(())
    }

    /// Lets the host do what it can and shows it to the model.
    fn look(&mut self) -> Checked {
        loop {
            self.stage.settle();
            if !self.watch()? {
                break;
            }
        }
        let Some(sources) = self.stage.sources() else { return Ok(()) };
        let status = sources.schedules().remove(0);
        let status = Status { next_run: status.next_run, last_run: status.last_run };
        let (runs, letters) = self.refuses;
        self.model.quiet(&status, runs || letters, !runs, self.stage.now())
    }

    /// Whether there was anything to see.
    fn watch(&mut self) -> Result<bool, TestCaseError> {
        let now = self.stage.now();
        let deeds = self.stage.look();
        let any = !deeds.is_empty();
        for deed in deeds {
            match deed {
                Deed::Called { call, payload, .. } => {
                    self.stage.function.end(call, answer(&json!({})));
                    let attempt = number(payload["attempt"].as_str());
                    self.model.called(moment(payload["at"].as_str()), attempt, now)?;
                }
                Deed::Sent { attributes, .. } => self.model.told(&letter(&attributes, true), now)?,
                Deed::Refused { attributes, .. } => self.model.told(&letter(&attributes, false), now)?,
                other => prop_assert!(false, "it has no business to do this: {other:?}"),
            }
        }
        Ok(any)
    }

    /// From here on all goes well: what is being handed over is done with.
    fn finish(&mut self) -> Checked {
        self.act(&Action::RefuseRuns(false))?;
        self.act(&Action::RefuseLetters(false))?;
        self.act(&Action::Start)?;
        for _ in 0..10 {
            if self.model.is_idle() {
                return Ok(());
            }
            self.act(&Action::Wait(TimeDelta::minutes(200)))?;
        }
        prop_assert!(false, "some runs are never done with");
        Ok(())
    }
}

fn number(text: Option<&str>) -> u32 {
    text.and_then(|text| text.parse().ok()).expect("a number")
}

fn moment(text: Option<&str>) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text.expect("a moment")).expect("a moment").to_utc()
}

fn letter(attributes: &BTreeMap<String, MessageAttribute>, taken: bool) -> Letter {
    let text = |name: &str| attributes.get(name).and_then(|attribute| attribute.string.as_deref());
    Letter {
        scheduled: moment(text("SCHEDULED_TIME")),
        condition: text("EXHAUSTED_RETRY_CONDITION").expect("a condition").to_owned(),
        retries: number(text("RETRY_ATTEMPTS")),
        taken,
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// Every minute that an expression means brings one run, at its time, after a failure a little later, or a dead letter;
    /// after the host was away the last one that it missed does; none when it is too old.
    #[test]
    fn a_schedule_does_what_its_model_says(
        settings in settings(),
        script in prop::collection::vec(action(), 0..30),
    ) {
        let mut case = Case::new(settings);
        let played = std::iter::once(&Action::Start).chain(&script).try_for_each(|action| case.act(action));
        told(played.and_then(|()| case.finish()), &case.stage.story)?;
    }
}
