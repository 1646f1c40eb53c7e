//! EventBridge's cron expressions: six fields, `?`, `L`, `W` and `#` (EventBridge Scheduler user guide, "Cron-based
//! schedules"). Written here because the cron crates number weekdays, read `?` and cross daylight saving differently.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use std::ops::RangeInclusive;

const YEARS: RangeInclusive<u32> = 1970..=2199;
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Why an expression is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CronError {
    #[error("a cron expression has six fields (minutes hours day-of-month month day-of-week year), not {0}")]
    Fields(usize),
    #[error("cron field {field}: {text:?} is not allowed")]
    Field { field: &'static str, text: String },
    #[error("exactly one of day-of-month and day-of-week must be `?`")]
    Days,
}

/// A parsed `cron(…)` expression, still without a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: DayRules,
    months: Vec<u32>,
    years: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum DayRules {
    OfMonth(Vec<MonthDay>),
    OfWeek(Vec<WeekDay>),
}

/// One item of the day-of-month field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MonthDay {
    Day(u32),
    /// `L`
    Last,
    /// `15W`: the weekday nearest to the day, in the same month.
    WeekdayNear(u32),
    /// `LW`: the last weekday (Monday to Friday).
    LastWeekday,
}

/// One item of the day-of-week field; days count from Sunday = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WeekDay {
    Day(u32),
    /// `6L`: the last Friday.
    Last(u32),
    /// `6#3`: the third Friday.
    Nth(u32, u32),
}

/// A field with plain numbers: its name, its range and the names it takes.
struct Field {
    name: &'static str,
    range: RangeInclusive<u32>,
    names: &'static [&'static str],
}

const fn field(name: &'static str, range: RangeInclusive<u32>, names: &'static [&'static str]) -> Field {
    Field { name, range, names }
}

const MINUTE: Field = field("minutes", 0..=59, &[]);
const HOUR: Field = field("hours", 0..=23, &[]);
const DAY_OF_MONTH: Field = field("day-of-month", 1..=31, &[]);
const MONTH: Field = field("month", 1..=12, &MONTHS);
const DAY_OF_WEEK: Field = field("day-of-week", 1..=7, &WEEKDAYS);
const YEAR: Field = field("year", YEARS, &[]);

impl Field {
    fn refuse(&self, text: &str) -> CronError {
        CronError::Field { field: self.name, text: text.to_owned() }
    }

    /// A number in range or one of the names.
    fn number(&self, text: &str) -> Result<u32, CronError> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(place) => u32::try_from(place).ok().map(|place| place + self.range.start()),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            None => None,
        };
        number.filter(|number| self.range.contains(number)).ok_or_else(|| self.refuse(text))
    }

    /// `*`, `5`, `1-5`, each with an optional `/step`. A step after a single number counts from there to the end.
    fn span(&self, text: &str) -> Result<Vec<u32>, CronError> {
        let (span, step) = match text.split_once('/') {
            None => (text, None),
            Some((span, step)) => {
                let step: usize = step.parse().map_err(|_| self.refuse(text))?;
                (span, Some(step).filter(|step| *step > 0).ok_or_else(|| self.refuse(text))?.into())
            }
        };
        let (from, to) = match span.split_once('-') {
            _ if span == "*" => (*self.range.start(), *self.range.end()),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            None if step.is_some() => (self.number(span)?, *self.range.end()),
            None => (self.number(span)?, self.number(span)?),
        };
        if from > to {
            return Err(self.refuse(text));
        }
        Ok((from..=to).step_by(step.unwrap_or(1)).collect())
    }

    /// A comma-separated list of spans, sorted.
    fn list(&self, text: &str) -> Result<Vec<u32>, CronError> {
        let mut numbers = Vec::new();
        for item in text.split(',') {
            numbers.extend(self.span(item)?);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

impl Cron {
    /// Parses what stands between the parentheses of `cron(…)`.
    pub(super) fn parse(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, day_of_month, month, day_of_week, year] = fields[..] else {
            return Err(CronError::Fields(fields.len()));
        };
        let days = match (day_of_month, day_of_week) {
            ("?", "?") => return Err(CronError::Days),
            (days, "?") => DayRules::OfMonth(month_days(days)?),
            ("?", days) => DayRules::OfWeek(week_days(days)?),
            _ => return Err(CronError::Days),
        };
        Ok(Self {
            minutes: MINUTE.list(minutes)?,
            hours: HOUR.list(hours)?,
            days,
            months: MONTH.list(month)?,
            years: YEAR.list(year)?,
        })
    }

    /// The first occurrence after `after` in `zone`. Local times that a spring-forward skips do not occur; of those that a
    /// fall-back repeats only the first does.
    pub(super) fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let mut local = after.with_timezone(&zone).naive_local();
        loop {
            local = self.next_local(local)?;
            match zone.from_local_datetime(&local).earliest() {
                Some(found) if found.to_utc() > after => return Some(found.to_utc()),
                _ => {}
            }
        }
    }

    /// The first matching local minute after the minute of `after`.
    fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let minute_of_day = |hour: u32, minute: u32| hour * 60 + minute;
        let passed = minute_of_day(chrono::Timelike::hour(&after), chrono::Timelike::minute(&after));
        if self.on(after.date())
            && let Some(found) = self.time_from(after.date(), passed + 1)
        {
            return Some(found);
        }
        let day = self.next_day(after.date().succ_opt()?)?;
        self.time_from(day, 0)
    }

    /// The first matching minute of `day` at or after `minute` (of the day).
    fn time_from(&self, day: NaiveDate, minute: u32) -> Option<NaiveDateTime> {
        let times =
            self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
        let (hour, minute) = times.into_iter().find(|(h, m)| h * 60 + m >= minute)?;
        day.and_hms_opt(hour, minute, 0)
    }

    /// The first matching day at or after `day`; `None` when the years are used up.
    fn next_day(&self, mut day: NaiveDate) -> Option<NaiveDate> {
        loop {
            let year = u32::try_from(day.year()).ok()?;
            let next_year = *self.years.iter().find(|candidate| **candidate >= year)?;
            if next_year > year {
                day = NaiveDate::from_ymd_opt(i32::try_from(next_year).ok()?, 1, 1)?;
            }
            if !self.months.contains(&day.month()) {
                day = first_of_next_month(day)?;
            } else if self.matches_day(day) {
                return Some(day);
            } else {
                day = day.succ_opt()?;
            }
        }
    }

    fn on(&self, day: NaiveDate) -> bool {
        u32::try_from(day.year()).is_ok_and(|year| self.years.contains(&year))
            && self.months.contains(&day.month())
            && self.matches_day(day)
    }

    fn matches_day(&self, day: NaiveDate) -> bool {
        match &self.days {
            DayRules::OfMonth(rules) => rules.iter().any(|rule| rule.matches(day)),
            DayRules::OfWeek(rules) => rules.iter().any(|rule| rule.matches(day)),
        }
    }
}

fn first_of_next_month(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)?.checked_add_months(chrono::Months::new(1))
}

fn last_of_month(day: NaiveDate) -> Option<NaiveDate> {
    first_of_next_month(day)?.pred_opt()
}

fn month_days(text: &str) -> Result<Vec<MonthDay>, CronError> {
    let mut rules = Vec::new();
    for item in text.split(',') {
        match item {
            "L" => rules.push(MonthDay::Last),
            "LW" => rules.push(MonthDay::LastWeekday),
            _ => match item.strip_suffix('W') {
                Some(day) => rules.push(MonthDay::WeekdayNear(DAY_OF_MONTH.number(day)?)),
                None => rules.extend(DAY_OF_MONTH.span(item)?.into_iter().map(MonthDay::Day)),
            },
        }
    }
    Ok(rules)
}

fn week_days(text: &str) -> Result<Vec<WeekDay>, CronError> {
    // "3#1,6#3" is not valid: `#` may stand only once and alone.
    if let Some((day, nth)) = text.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
        return Ok(vec![WeekDay::Nth(
            DAY_OF_WEEK.number(day)?,
            nth.ok_or_else(|| DAY_OF_WEEK.refuse(text))?,
        )]);
    }
    let mut rules = Vec::new();
    for item in text.split(',') {
        match item.strip_suffix('L') {
            // Alone it is the last day of the week.
            Some("") => rules.push(WeekDay::Day(7)),
            Some(day) => rules.push(WeekDay::Last(DAY_OF_WEEK.number(day)?)),
            None => rules.extend(DAY_OF_WEEK.span(item)?.into_iter().map(WeekDay::Day)),
        }
    }
    Ok(rules)
}

impl MonthDay {
    fn matches(self, day: NaiveDate) -> bool {
        match self {
            Self::Day(number) => day.day() == number,
            Self::Last => last_of_month(day) == Some(day),
            Self::WeekdayNear(number) => {
                day.with_day(number).and_then(nearest_weekday).is_some_and(|nearest| nearest == day)
            }
            Self::LastWeekday => last_of_month(day).and_then(nearest_weekday) == Some(day),
        }
    }
}

/// The weekday nearest to `day` that lies in the same month.
fn nearest_weekday(day: NaiveDate) -> Option<NaiveDate> {
    let in_month = |candidate: &NaiveDate| candidate.month() == day.month();
    match day.weekday() {
        Weekday::Sat => {
            let before = day.pred_opt().filter(in_month);
            before.or_else(|| day.checked_add_days(Days::new(2)))
        }
        Weekday::Sun => {
            let after = day.succ_opt().filter(in_month);
            after.or_else(|| day.checked_sub_days(Days::new(2)))
        }
        _ => Some(day),
    }
}

impl WeekDay {
    fn matches(self, day: NaiveDate) -> bool {
        let number = day.weekday().num_days_from_sunday() + 1;
        match self {
            Self::Day(wanted) => number == wanted,
            Self::Last(wanted) => number == wanted && (day + Days::new(7)).month() != day.month(),
            Self::Nth(wanted, nth) => number == wanted && day.day0() / 7 + 1 == nth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, Timelike};
    use proptest::prelude::*;

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    /// The first `count` occurrences after `from`.
    fn occurrences(expression: &str, from: &str, zone: Tz, count: usize) -> Vec<String> {
        let cron = Cron::parse(expression).unwrap();
        let mut at = utc(from);
        let mut found = Vec::new();
        while found.len() < count {
            let Some(next) = cron.next_after(at, zone) else {
                break;
            };
            found.push(next.format("%FT%H:%MZ").to_string());
            at = next;
        }
        found
    }

    #[test]
    fn a_step_counts_from_its_start_to_the_end_of_the_field() {
        assert_eq!(
            occurrences("0/10 6 * * ? *", "2026-01-01T06:45:00Z", Tz::UTC, 3),
            ["2026-01-01T06:50Z", "2026-01-02T06:00Z", "2026-01-02T06:10Z"]
        );
    }

    #[test]
    fn the_special_days_are_found() {
        let first = |expression| occurrences(expression, "2026-02-01T12:00:00Z", Tz::UTC, 1).remove(0);
        assert_eq!(first("0 0 L * ? *"), "2026-02-28T00:00Z");
        assert_eq!(first("0 0 LW * ? *"), "2026-02-27T00:00Z");
        // The first is a Sunday, and its neighbour before lies in January; the fifteenth is a Sunday too.
        assert_eq!(first("0 13 1W * ? *"), "2026-02-02T13:00Z");
        assert_eq!(first("0 0 15W * ? *"), "2026-02-16T00:00Z");
        assert_eq!(first("0 0 ? * 6L *"), "2026-02-27T00:00Z");
        assert_eq!(first("0 0 ? * FRI#3 *"), "2026-02-20T00:00Z");
        assert_eq!(first("0 0 ? * L *"), "2026-02-07T00:00Z");
        assert_eq!(first("0 0 ? JUN MON-FRI 2027-2028"), "2027-06-01T00:00Z");
        assert_eq!(first("0 0 29 2 ? *"), "2028-02-29T00:00Z");
    }

    #[test]
    fn an_expression_that_can_never_match_ends() {
        assert!(occurrences("0 0 30 2 ? *", "2026-01-01T00:00:00Z", Tz::UTC, 1).is_empty());
        assert!(occurrences("0 0 1 1 ? 2020", "2026-01-01T00:00:00Z", Tz::UTC, 1).is_empty());
    }

    #[test]
    fn a_skipped_local_time_does_not_occur() {
        // Berlin goes from 02:00 to 03:00 on 2026-03-29.
        assert_eq!(
            occurrences("30 2 * * ? *", "2026-03-28T00:00:00Z", Tz::Europe__Berlin, 2),
            ["2026-03-28T01:30Z", "2026-03-30T00:30Z"]
        );
    }

    #[test]
    fn a_repeated_local_time_occurs_once() {
        // Berlin goes from 03:00 back to 02:00 on 2026-10-25.
        assert_eq!(
            occurrences("30 2 * * ? *", "2026-10-24T12:00:00Z", Tz::Europe__Berlin, 2),
            ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]
        );
        assert_eq!(
            occurrences("0/30 2-3 * * ? *", "2026-10-25T00:45:00Z", Tz::Europe__Berlin, 2),
            ["2026-10-25T02:00Z", "2026-10-25T02:30Z"]
        );
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for expression in [
            "* * * * *",
            "* * * * * *",
            "* * ? * ? *",
            "60 * * * ? *",
            "* 24 * * ? *",
            "0 0 0 * ? *",
            "0 0 32 * ? *",
            "0 0 * 13 ? *",
            "0 0 ? * 8 *",
            "0 0 ? * 0 *",
            "0 0 ? * 3#1,6#3 *",
            "0 0 ? * 3#6 *",
            "0 0 * * ? 1969",
            "0/0 0 * * ? *",
            "5-1 0 * * ? *",
            "+5 0 * * ? *",
            ", 0 * * ? *",
            "",
        ] {
            assert!(Cron::parse(expression).is_err(), "{expression}");
        }
    }

    /// An independent reading of simple fields, by trying every minute.
    fn by_walking(
        minute: u32,
        hour: u32,
        weekday: u32,
        after: DateTime<Utc>,
        zone: Tz,
        minutes: i64,
    ) -> Option<DateTime<Utc>> {
        let mut seen_before = std::collections::HashSet::new();
        // Local times shown before `after` (an hour back covers a fall-back) have had their turn.
        let start = after.with_second(0)?;
        (-180..minutes).find_map(|n| {
            let at = start + TimeDelta::minutes(n);
            let local = at.with_timezone(&zone).naive_local();
            let fresh = seen_before.insert(local);
            let due = local.minute() == minute
                && local.hour() == hour
                && local.weekday().num_days_from_sunday() + 1 == weekday;
            (at > after && fresh && due).then_some(at)
        })
    }

    proptest! {
        #[test]
        fn the_next_occurrence_is_the_one_a_minute_walker_finds(
            minute in 0u32..60, hour in 0u32..24, weekday in 1u32..=7, day in 0i64..730, offset in 0i64..1440,
            zone in prop_oneof![Just(Tz::UTC), Just(Tz::Europe__Berlin), Just(Tz::America__New_York),
                Just(Tz::Australia__Lord_Howe), Just(Tz::Asia__Kathmandu)],
        ) {
            let after = utc("2026-01-01T00:00:00Z") + TimeDelta::days(day) + TimeDelta::minutes(offset);
            let cron = Cron::parse(&format!("{minute} {hour} ? * {weekday} *")).unwrap();
            let walked = by_walking(minute, hour, weekday, after, zone, 15 * 1440);
            prop_assert_eq!(cron.next_after(after, zone), walked);
        }

        #[test]
        fn no_text_panics(text in "[0-9*?/,#LW -]{0,24}") {
            if let Ok(cron) = Cron::parse(&text) {
                let _ = cron.next_after(utc("2026-01-01T00:00:00Z"), Tz::Europe__Berlin);
            }
        }
    }
}
