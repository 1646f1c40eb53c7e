//! The clock: waiting until all is done, and the days that must pass.

use crate::Error;
use crate::cloud::Cloud;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use end_to_end::Api;
use serde_json::Value;

/// Moves of the clock until nothing is due any more: retries of retries, each with its delay.
const MOST_MOVES: usize = 2_000;
/// What comes due within so long of the next is waited for with it.
const TOGETHER: TimeDelta = TimeDelta::seconds(20);
const NOON: NaiveTime = NaiveTime::from_hms_opt(12, 0, 0).expect("a time of day");

/// Moves the clock to whatever is waited for next, again and again, until nothing is.
pub(crate) async fn drain(cloud: &Cloud) -> Result<(), Error> {
    for _ in 0..MOST_MOVES {
        let api = cloud.api().await;
        let Some(due) = idle(&api).await?["next_due"].as_str().map(ToOwned::to_owned) else {
            return Ok(());
        };
        let due: DateTime<Utc> = due.parse()?;
        set_clock(&api, due + TOGETHER).await?;
    }
    Err("something is due for ever".into())
}

/// Lets a whole day of schedules pass, run by run, until the last that is due before `until`.
pub(crate) async fn let_schedules_run(cloud: &Cloud, until: DateTime<Utc>) -> Result<u64, Error> {
    let mut runs = 0;
    loop {
        let api = cloud.api().await;
        let schedules = api.get("/_local/schedules").await.expect(200);
        let next = schedules
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|schedule| schedule["next_run"].as_str()?.parse::<DateTime<Utc>>().ok());
        match next.min().filter(|next| *next < until) {
            Some(next) => {
                // Not back: a run that was due while the last was awaited has its time in the past.
                let next = next.max(now(&api).await?);
                set_clock(&api, next + TimeDelta::seconds(1)).await?;
                idle(&api).await?;
                runs += 1;
            }
            None => {
                set_clock(&api, until).await?;
                return Ok(runs);
            }
        }
    }
}

/// Begins at noon: whatever time it is at the machine, the hours that a drain passes have no schedule in them, and each
/// night has its own.
pub(crate) async fn begin(api: &Api) -> Result<(), Error> {
    let noon = next_noon(api).await?;
    set_clock(api, noon).await
}

/// Noon of the next day.
pub(crate) async fn next_noon(api: &Api) -> Result<DateTime<Utc>, Error> {
    let tomorrow = now(api).await?.date_naive().succ_opt().ok_or("the calendar ends")?;
    Ok(tomorrow.and_time(NOON).and_utc())
}

pub(crate) async fn now(api: &Api) -> Result<DateTime<Utc>, Error> {
    let clock = api.get("/_local/clock").await.expect(200);
    Ok(clock["now"].as_str().unwrap_or_default().parse()?)
}

async fn set_clock(api: &Api, to: DateTime<Utc>) -> Result<(), Error> {
    if to > now(api).await? {
        api.set_clock(&to.to_rfc3339()).await;
    }
    Ok(())
}

async fn idle(api: &Api) -> Result<Value, Error> {
    let answer = api.get("/_local/idle?timeout=85").await;
    if answer.status != 200 {
        return Err(format!("it does not come to rest: {}", String::from_utf8_lossy(&answer.body)).into());
    }
    Ok(answer.json())
}
