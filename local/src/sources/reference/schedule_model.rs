//! The reference model of a schedule, by the user guide of EventBridge Scheduler ("Schedule types", "Configuring a dead-letter
//! queue") and its API reference (`CreateSchedule`, `RetryPolicy`): a calendar on the wall, looked at every minute.
//!
//! It asks of each minute whether the expression means it, and never for the next one. It watches what is handed to Lambda and
//! what is sent to the dead-letter queue. Where the documents give no figure (how soon a failure is tried again) it lets a
//! run wait for up to a minute. What is due after the host was away is what `docs/SEMANTICS.md` says.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::{BTreeSet, VecDeque};

type Checked = Result<(), TestCaseError>;

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// The longest wait between two attempts, or between two tries to send a dead letter.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// Tries to send a dead letter.
const TRIES_TO_BURY: u32 = 12;
/// What daylight saving repeats lasts no longer, in minutes.
const LONGEST_REPEAT: i32 = 180;

/// What an expression means.
#[derive(Clone, Debug)]
pub(super) enum When {
    /// At these minutes of these hours, local time, on such days.
    Cron {
        minutes: BTreeSet<u32>,
        hours: BTreeSet<u32>,
        day: Day,
    },
    Rate(TimeDelta),
    /// At this local time.
    At(NaiveDateTime),
}

/// The days of a cron expression; weekdays count from Sunday = 1.
#[derive(Clone, Debug)]
pub(super) enum Day {
    Every,
    Number(u32),
    Last,
    LastWorkday,
    /// The workday nearest to this day of the month, in the same month.
    WorkdayNear(u32),
    Weekdays(BTreeSet<u32>),
    /// The second number counts this weekday within the month.
    Nth(u32, usize),
    LastOf(u32),
}

fn is_workday(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// All days of the month of `day`.
fn month_of(day: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    (1..=31).filter_map(move |number| day.with_day(number))
}

impl Day {
    fn is(&self, day: NaiveDate) -> bool {
        let weekday = |day: NaiveDate| day.weekday().number_from_sunday();
        match self {
            Self::Every => true,
            Self::Number(number) => day.day() == *number,
            Self::Last => month_of(day).last() == Some(day),
            Self::LastWorkday => month_of(day).filter(|day| is_workday(*day)).last() == Some(day),
            Self::WorkdayNear(number) => {
                let exists = month_of(day).any(|day| day.day() == *number);
                let workdays = month_of(day).filter(|day| is_workday(*day));
                exists && workdays.min_by_key(|day| day.day().abs_diff(*number)) == Some(day)
            }
            Self::Weekdays(weekdays) => weekdays.contains(&weekday(day)),
            Self::Nth(wanted, nth) => {
                let earlier = |other: &NaiveDate| *other < day && weekday(*other) == *wanted;
                weekday(day) == *wanted && month_of(day).filter(earlier).count() + 1 == *nth
            }
            Self::LastOf(wanted) => month_of(day).filter(|day| weekday(*day) == *wanted).last() == Some(day),
        }
    }
}

/// What a schedule says.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) when: When,
    pub(super) zone: Tz,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) until: Option<DateTime<Utc>>,
    pub(super) enabled: bool,
    pub(super) age: TimeDelta,
    pub(super) retries: u32,
    /// Lambda takes its input.
    pub(super) valid: bool,
    pub(super) dead_letters: bool,
}

impl Rules {
    /// Whether the expression means this minute.
    fn means(&self, minute: DateTime<Utc>) -> bool {
        let local = |minute: DateTime<Utc>| minute.with_timezone(&self.zone).naive_local();
        let shown = local(minute);
        let matches = match &self.when {
            When::Cron { minutes, hours, day } => {
                minutes.contains(&shown.minute()) && hours.contains(&shown.hour()) && day.is(shown.date())
            }
            When::At(at) => shown == *at,
            When::Rate(_) => false,
        };
        // Of a local time that is shown twice only the first counts.
        matches && !(1..=LONGEST_REPEAT).any(|ago| local(minute - MINUTE * ago) == shown)
    }

    fn is_within_dates(&self, at: DateTime<Utc>) -> bool {
        let within = self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at <= until);
        within || matches!(self.when, When::At(_))
    }

    /// What is meant after `after` and no later than `now`. A rate counts from its start date, or else from `start`.
    fn occurrences(
        &self,
        start: DateTime<Utc>,
        after: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<DateTime<Utc>> {
        let (first, step) = match self.when {
            When::Rate(period) => (self.from.unwrap_or(start), period),
            _ => (after - TimeDelta::milliseconds(after.timestamp_millis().rem_euclid(60_000)), MINUTE),
        };
        let skipped = ((after - first).num_seconds() / step.num_seconds()).max(0);
        let first = first + TimeDelta::seconds(skipped * step.num_seconds());
        let looks = std::iter::successors(Some(first), |at| Some(*at + step)).take_while(|at| *at <= now);
        let meant = |at: &DateTime<Utc>| matches!(self.when, When::Rate(_)) || self.means(*at);
        looks.filter(|at| *at > after && self.is_within_dates(*at) && meant(at)).collect()
    }
}

/// What became of a run that could not be handed over.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) scheduled: DateTime<Utc>,
    pub(super) condition: String,
    pub(super) retries: u32,
    /// The queue took it.
    pub(super) taken: bool,
}

/// What the host says of the schedule.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) next_run: Option<DateTime<Utc>>,
    pub(super) last_run: Option<DateTime<Utc>>,
}

/// The run that is being handed over.
#[derive(Clone, Debug, Default)]
struct Trouble {
    /// Attempts there can have been: one for each moment at which it was due.
    attempts: u32,
    seen: Option<DateTime<Utc>>,
    /// The latest that the clock showed meanwhile.
    latest: Option<DateTime<Utc>>,
    /// It is tried again by then.
    patience: Option<DateTime<Utc>>,
    /// Tries to send its dead letter.
    buried: u32,
}

/// What the host knows of its schedule.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// When it first started, unless the clock was set back behind that.
    start: DateTime<Utc>,
    /// Everything up to here was handed over, given up or dropped.
    decided: DateTime<Utc>,
    last_run: Option<DateTime<Utc>>,
}

pub(super) struct Model {
    rules: Rules,
    known: Known,
    /// The same, as the host's state has it.
    kept: Option<Known>,
    /// What it wanted to keep since the last look.
    keeps: Option<Known>,
    /// In their turn.
    due: VecDeque<DateTime<Utc>>,
    /// Up to here everything is decided when those are.
    horizon: DateTime<Utc>,
    trouble: Trouble,
}

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        let never = DateTime::UNIX_EPOCH;
        Self {
            rules,
            known: Known { start: never, decided: never, last_run: None },
            kept: None,
            keeps: None,
            due: VecDeque::new(),
            horizon: never,
            trouble: Trouble::default(),
        }
    }

    fn is_old(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now - at > self.rules.age
    }

    /// A host started.
    pub(super) fn started(&mut self, now: DateTime<Utc>) {
        // A rate begins at once.
        let first = Known { start: now, decided: now - TimeDelta::seconds(1), last_run: None };
        self.known = self.kept.unwrap_or(first);
        self.find(now);
        // Of what it missed only the last.
        self.due = self.due.split_off(self.due.len().saturating_sub(1));
        let decided = self.due.front().map_or(now, |last| *last - TimeDelta::seconds(1));
        self.kept = Some(Known { decided, ..self.known });
    }

    /// Looks at every minute that has not been looked at.
    fn find(&mut self, now: DateTime<Utc>) {
        self.known.decided = self.known.decided.min(now);
        self.known.start = self.known.start.min(now);
        let young = now - self.rules.age - TimeDelta::milliseconds(1);
        let start = self.known.start;
        if self.rules.enabled {
            self.due.extend(self.rules.occurrences(start, self.known.decided.max(young), now));
        }
        self.horizon = now;
        self.trouble = Trouble::default();
    }

    /// What is next in turn: what grew too old before its turn is dropped.
    fn turn(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        loop {
            match self.due.front().copied() {
                Some(at) if self.trouble.attempts == 0 && self.is_old(at, now) => self.pass(),
                Some(at) => {
                    self.trouble.latest = self.trouble.latest.max(Some(now));
                    if self.trouble.seen != Some(now) {
                        self.trouble.attempts += 1;
                        self.trouble.seen = Some(now);
                    }
                    return Some(at);
                }
                None => {
                    self.known.decided = self.horizon.min(now);
                    self.find(now);
                    self.due.front()?;
                }
            }
        }
    }

    fn pass(&mut self) {
        self.known.decided = self.due.pop_front().unwrap_or(self.known.decided);
        self.trouble = Trouble::default();
    }

    /// The host is through with a run, and keeps that.
    fn over(&mut self, at: DateTime<Utc>) {
        self.known.last_run = Some(at);
        self.pass();
        self.keeps = Some(self.known);
    }

    /// A run was handed to Lambda.
    pub(super) fn called(&mut self, at: DateTime<Utc>, attempt: u32, now: DateTime<Utc>) -> Checked {
        let turn = self.turn(now);
        prop_assert_eq!(Some(at), turn, "it is another's turn");
        prop_assert!(self.rules.valid);
        prop_assert!(!self.is_old(at, now), "{at} was too old");
        prop_assert!(attempt <= self.trouble.attempts.min(self.rules.retries + 1), "attempt {attempt}");
        self.over(at);
        Ok(())
    }

    /// A run's dead letter was sent, or not taken.
    pub(super) fn told(&mut self, letter: &Letter, now: DateTime<Utc>) -> Checked {
        let turn = self.turn(now);
        prop_assert_eq!(Some(letter.scheduled), turn, "it is another's turn");
        prop_assert!(self.rules.dead_letters);
        let Trouble { attempts, latest, .. } = self.trouble;
        let was_old = latest.is_some_and(|latest| self.is_old(letter.scheduled, latest));
        let (allowed, retries) = match letter.condition.as_str() {
            "NonRetryableError" => (!self.rules.valid, 0..=0),
            "MaximumRetryAttempts" => (self.rules.valid, self.rules.retries..=self.rules.retries),
            "MaximumEventAgeInSeconds" => (self.rules.valid && was_old, 0..=self.rules.retries),
            _ => (false, 0..=0),
        };
        prop_assert!(allowed && retries.contains(&letter.retries), "not so: {letter:?}");
        prop_assert!(letter.retries < attempts, "{attempts} attempts at most: {letter:?}");
        self.trouble.buried += 1;
        prop_assert!(self.trouble.buried <= TRIES_TO_BURY, "tried too often");
        if letter.taken || self.trouble.buried == TRIES_TO_BURY {
            self.over(letter.scheduled);
        }
        Ok(())
    }

    /// Nothing can go on before something happens. `troubled`: Lambda, or the dead-letter queue, takes nothing.
    pub(super) fn quiet(
        &mut self,
        status: &Status,
        troubled: bool,
        saves: bool,
        now: DateTime<Utc>,
    ) -> Checked {
        if let Some(at) = self.turn(now) {
            if !self.rules.valid && !self.rules.dead_letters {
                // Given up without a word.
                self.over(at);
                return self.quiet(status, troubled, saves, now);
            }
            if troubled {
                self.trouble.patience = self.trouble.patience.max(Some(now + LONGEST_PAUSE));
            }
            let waits = self.trouble.patience.is_some_and(|patience| now < patience);
            prop_assert!(waits, "nobody hands over {at}");
        } else {
            self.known.decided = now;
            self.keeps = Some(self.known);
            self.agrees(status, now)?;
        }
        if let Some(known) = self.keeps.take().filter(|_| saves) {
            self.kept = Some(known);
        }
        Ok(())
    }

    /// The host tells of the last run and of the next.
    fn agrees(&self, status: &Status, now: DateTime<Utc>) -> Checked {
        prop_assert_eq!(status.last_run, self.known.last_run);
        let start = self.known.start;
        let soon = now + TimeDelta::hours(1);
        let watched = match self.rules.enabled {
            true => self.rules.occurrences(start, now, soon),
            false => Vec::new(),
        };
        let told = status.next_run.filter(|next| *next <= soon);
        prop_assert_eq!(told, watched.first().copied(), "the next run");
        if let Some(next) = status.next_run {
            let before = next - TimeDelta::seconds(1);
            prop_assert_eq!(self.rules.occurrences(start, before, next), [next], "the next run");
        }
        Ok(())
    }

    /// The host is gone, and with it what it was about to do.
    pub(super) fn gone(&mut self) {
        self.due.clear();
        self.keeps = None;
        self.trouble = Trouble::default();
    }

    /// Whether nothing is being handed over.
    pub(super) fn is_idle(&self) -> bool {
        self.due.is_empty()
    }
}
