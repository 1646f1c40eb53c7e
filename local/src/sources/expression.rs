//! Schedule expressions: `cron(…)`, `rate(…)` and `at(…)`.

use super::cron::{Cron, CronError};
use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Why an expression is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExpressionError {
    #[error(transparent)]
    Cron(#[from] CronError),
    #[error("{0:?} is not a rate: rate(<positive number> minutes|hours|days)")]
    Rate(String),
    #[error("{0:?} is not a moment: at(yyyy-mm-ddThh:mm:ss)")]
    At(String),
    #[error("{0:?} is none of cron(…), rate(…) and at(…)")]
    Unknown(String),
    #[error("{0:?} is not an IANA time zone")]
    Zone(String),
}

/// When a schedule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    kind: Kind,
    zone: Tz,
    /// `StartDate` and `EndDate`, which `at(…)` does not heed.
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Cron(Cron),
    Rate(TimeDelta),
    At(NaiveDateTime),
}

impl Expression {
    /// Parses an expression and the name of the time zone it is read in.
    pub(crate) fn parse(text: &str, zone: &str) -> Result<Self, ExpressionError> {
        let zone = zone.parse().map_err(|_| ExpressionError::Zone(zone.to_owned()))?;
        let inside = |name: &str| {
            let inner = text.trim().strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?;
            Some(inner.trim())
        };
        let kind = if let Some(fields) = inside("cron") {
            Kind::Cron(Cron::parse(fields)?)
        } else if let Some(rate) = inside("rate") {
            Kind::Rate(parse_rate(rate).ok_or_else(|| ExpressionError::Rate(text.to_owned()))?)
        } else if let Some(at) = inside("at") {
            let at = NaiveDateTime::parse_from_str(at, "%Y-%m-%dT%H:%M:%S");
            Kind::At(at.map_err(|_| ExpressionError::At(text.to_owned()))?)
        } else {
            return Err(ExpressionError::Unknown(text.to_owned()));
        };
        Ok(Self { kind, zone, from: None, until: None })
    }

    /// Without occurrences before `from` and after `until`. Occurrences at just these moments are.
    pub(super) fn within(self, from: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> Self {
        Self { from, until, ..self }
    }

    /// The first occurrence after `after`. A rate counts from its start date, or else from `start`, which is its first
    /// occurrence, in hours of sixty minutes and days of twenty-four hours whatever the zone does.
    pub(super) fn next_after(&self, after: DateTime<Utc>, start: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if matches!(self.kind, Kind::At(_)) {
            return self.unbounded(after, start);
        }
        let early = self.from.map(|from| from - TimeDelta::milliseconds(1));
        let after = early.map_or(after, |early| early.max(after));
        let next = self.unbounded(after, self.from.unwrap_or(start));
        next.filter(|at| self.until.is_none_or(|until| *at <= until))
    }

    fn unbounded(&self, after: DateTime<Utc>, start: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.kind {
            Kind::Cron(cron) => cron.next_after(after, self.zone),
            Kind::At(at) => {
                let at = self.zone.from_local_datetime(at).earliest()?.to_utc();
                (at > after).then_some(at)
            }
            Kind::Rate(_) if start > after => Some(start),
            Kind::Rate(period) => {
                let passed = (after - start).num_seconds() / period.num_seconds() + 1;
                start.checked_add_signed(TimeDelta::try_seconds(passed.checked_mul(period.num_seconds())?)?)
            }
        }
    }
}

fn parse_rate(text: &str) -> Option<TimeDelta> {
    let mut words = text.split_ascii_whitespace();
    let value: i64 = words.next()?.parse().ok().filter(|value| *value > 0)?;
    let seconds = match words.next()? {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    let rate = TimeDelta::try_seconds(value.checked_mul(seconds)?)?;
    words.next().is_none().then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn next(text: &str, zone: &str, after: &str, start: &str) -> Option<DateTime<Utc>> {
        Expression::parse(text, zone).unwrap().next_after(utc(after), utc(start))
    }

    #[test]
    fn a_rate_counts_from_its_start() {
        let start = "2026-03-28T10:00:30Z";
        assert_eq!(next("rate(5 minutes)", "UTC", "2026-03-28T09:00:00Z", start), Some(utc(start)));
        assert_eq!(
            next("rate(5 minutes)", "UTC", "2026-03-28T10:05:30Z", start),
            Some(utc("2026-03-28T10:10:30Z"))
        );
        // A day is twenty-four hours, also over a change to daylight saving.
        assert_eq!(
            next("rate(1 day)", "Europe/Berlin", "2026-03-28T12:00:00Z", start),
            Some(utc("2026-03-29T10:00:30Z"))
        );
    }

    #[test]
    fn a_moment_occurs_once_in_its_zone() {
        let text = "at(2026-07-01T12:00:00)";
        let at = utc("2026-07-01T10:00:00Z");
        assert_eq!(next(text, "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), Some(at));
        assert_eq!(next(text, "Europe/Berlin", "2026-07-01T10:00:00Z", "2026-01-01T00:00:00Z"), None);
    }

    #[test]
    fn a_moment_that_daylight_saving_skips_never_comes_and_a_repeated_one_comes_first() {
        let at = |text: &str| next(text, "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        assert_eq!(at("at(2026-03-29T02:30:00)"), None);
        assert_eq!(at("at(2026-10-25T02:30:00)"), Some(utc("2026-10-25T00:30:00Z")));
    }

    #[test]
    fn dates_bound_what_recurs_and_a_rate_counts_from_its_start_date() {
        let (from, until) = (Some(utc("2026-01-10T12:00:00Z")), Some(utc("2026-01-12T12:00:00Z")));
        let bounded = |text: &str| Expression::parse(text, "UTC").unwrap().within(from, until);
        let all = |text: &str| {
            let mut after = utc("2026-01-01T00:00:00Z");
            let mut found = Vec::new();
            while let Some(at) = bounded(text).next_after(after, utc("2026-01-01T00:00:07Z")) {
                found.push(at.format("%dT%H").to_string());
                after = at;
            }
            found
        };
        assert_eq!(all("cron(0 12 * * ? *)"), ["10T12", "11T12", "12T12"]);
        assert_eq!(all("rate(20 hours)"), ["10T12", "11T08", "12T04"]);
        assert_eq!(all("at(2026-02-01T00:00:00)"), ["01T00"]);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "rate(0 minutes)",
            "rate(5)",
            "rate(5 weeks)",
            "rate(1 day 2)",
            "at(tomorrow)",
            "daily",
            "cron(x)",
        ] {
            assert!(Expression::parse(text, "UTC").is_err(), "{text}");
        }
        assert!(Expression::parse("rate(1 day)", "Mars/Olympus").is_err());
        assert!(Expression::parse("rate(9223372036854775807 days)", "UTC").is_err());
    }
}
