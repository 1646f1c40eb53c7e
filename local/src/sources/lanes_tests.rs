use super::*;
use crate::lambda::FunctionError;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn start_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn settings() -> Settings {
    Settings {
        batch_size: 100,
        window: TimeDelta::zero(),
        maximum_retry_attempts: None,
        maximum_record_age: TimeDelta::hours(24),
        bisect: false,
        lanes: 1,
    }
}

fn record(number: u64, item: u64) -> Record {
    Record {
        sequence: number.to_string(),
        item,
        created: start_of_time(),
        json: format!("{{\"n\":{number}}}"),
    }
}

fn lanes(settings: Settings, records: u64) -> Lanes {
    let mut lanes = Lanes::new(settings, Backoff::of_streams(1));
    for number in 0..records {
        lanes.push(record(number, number), start_of_time());
    }
    lanes
}

fn error() -> Verdict {
    let error = FunctionError { error_type: "E".into(), message: "m".into() };
    Verdict::Failed(Failure { error: Some(error), message: "E: m".into() })
}

fn sequences(batch: &Batch) -> Vec<u64> {
    batch.records().map(|record| record.sequence.parse().unwrap()).collect()
}

/// Starts the only step there is, moving on to when it is due.
fn only(lanes: &mut Lanes, now: &mut DateTime<Utc>) -> Step {
    *now = (*now).max(lanes.due(*now).expect("something to do"));
    let mut steps = lanes.start(*now);
    assert_eq!(steps.len(), 1, "{steps:?}");
    steps.remove(0)
}

fn invoke(lanes: &mut Lanes, now: &mut DateTime<Utc>, verdict: Verdict) -> Vec<u64> {
    let Step::Invoke { lane, batch } = only(lanes, now) else { panic!("expected an invocation") };
    lanes.invoked(lane, verdict, *now);
    sequences(&batch)
}

fn discard(lanes: &mut Lanes, now: &mut DateTime<Utc>) -> (Vec<u64>, Condition, u32) {
    let Step::Discard { lane, batch, condition } = only(lanes, now) else { panic!("expected a discard") };
    lanes.discarded(lane, condition, true, *now);
    (sequences(&batch), condition, batch.invocations)
}

#[test]
fn a_batch_holds_no_more_than_the_batch_size() {
    let mut lanes = lanes(Settings { batch_size: 2, ..settings() }, 5);
    let now = &mut start_of_time();
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [0, 1]);
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [2, 3]);
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [4]);
    assert_eq!(lanes.checkpoint(), Some("4"));
    assert!(lanes.is_empty());
}

#[test]
fn a_batch_is_cut_before_six_megabytes() {
    let mut lanes = Lanes::new(settings(), Backoff::of_streams(1));
    for number in 0..3 {
        let json = "x".repeat(PAYLOAD_LIMIT / 2 - 100);
        lanes.push(Record { json, ..record(number, number) }, start_of_time());
    }
    let now = &mut start_of_time();
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [0, 1]);
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [2]);
}

#[test]
fn a_window_is_waited_for_unless_the_batch_is_full() {
    let window = TimeDelta::seconds(10);
    let mut lanes = lanes(Settings { batch_size: 3, window, ..settings() }, 2);
    assert!(lanes.start(start_of_time()).is_empty());
    assert_eq!(lanes.due(start_of_time()), Some(start_of_time() + window));
    lanes.push(record(2, 2), start_of_time());
    assert_eq!(lanes.start(start_of_time()).len(), 1);
}

#[test]
fn a_closed_shard_does_not_wait_for_its_window() {
    let mut lanes = lanes(Settings { window: TimeDelta::seconds(300), ..settings() }, 2);
    lanes.end();
    assert_eq!(lanes.start(start_of_time()).len(), 1);
}

#[test]
fn the_lowest_sequence_number_returned_is_the_checkpoint() {
    let mut lanes = lanes(settings(), 5);
    let now = &mut start_of_time();
    assert_eq!(invoke(&mut lanes, now, Verdict::Partly(vec![2, 4])), [0, 1, 2, 3, 4]);
    assert_eq!(lanes.checkpoint(), Some("1"));
    // Everything from it on is tried again, also what succeeded.
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [2, 3, 4]);
}

#[test]
fn an_error_is_retried_with_backoff_until_the_attempts_are_used_up() {
    let mut lanes = lanes(Settings { maximum_retry_attempts: Some(2), ..settings() }, 2);
    let now = &mut start_of_time();
    assert_eq!(invoke(&mut lanes, now, error()), [0, 1]);
    assert!(lanes.start(*now).is_empty(), "a failed batch is not tried again at once");
    assert_eq!(invoke(&mut lanes, now, error()), [0, 1]);
    assert_eq!(invoke(&mut lanes, now, error()), [0, 1]);
    assert!(*now > start_of_time());
    assert_eq!(discard(&mut lanes, now), (vec![0, 1], Condition::RetryAttemptsExhausted, 3));
    assert_eq!(lanes.checkpoint(), Some("1"));
}

#[test]
fn no_attempts_means_one_invocation() {
    let mut lanes = lanes(Settings { maximum_retry_attempts: Some(0), ..settings() }, 1);
    let now = &mut start_of_time();
    invoke(&mut lanes, now, error());
    assert_eq!(discard(&mut lanes, now).2, 1);
}

#[test]
fn bisecting_isolates_a_poison_record_without_using_up_attempts() {
    let mut lanes = lanes(Settings { bisect: true, maximum_retry_attempts: Some(0), ..settings() }, 8);
    let now = &mut start_of_time();
    let mut passed = Vec::new();
    let mut lost = Vec::new();
    while let Some(due) = lanes.due(*now) {
        assert_eq!(due.max(*now), start_of_time(), "splitting does not wait");
        match only(&mut lanes, now) {
            Step::Invoke { lane, batch } if sequences(&batch).contains(&5) => {
                lanes.invoked(lane, error(), *now)
            }
            Step::Invoke { lane, batch } => {
                passed.extend(sequences(&batch));
                lanes.invoked(lane, Verdict::Succeeded, *now);
            }
            Step::Discard { lane, batch, condition } => {
                lost.extend(sequences(&batch));
                lanes.discarded(lane, condition, true, *now);
            }
        }
    }
    assert_eq!(passed, [0, 1, 2, 3, 4, 6, 7]);
    assert_eq!(lost, [5]);
    assert_eq!(lanes.checkpoint(), Some("7"));
}

#[test]
fn a_record_that_splitting_left_alone_still_has_all_its_attempts() {
    let mut lanes = lanes(Settings { bisect: true, maximum_retry_attempts: Some(2), ..settings() }, 8);
    let now = &mut start_of_time();
    let mut alone = 0;
    while lanes.due(*now).is_some() {
        match only(&mut lanes, now) {
            Step::Invoke { lane, batch } if sequences(&batch).contains(&5) => {
                alone += u32::from(sequences(&batch) == [5]);
                lanes.invoked(lane, error(), *now);
            }
            Step::Invoke { lane, .. } => lanes.invoked(lane, Verdict::Succeeded, *now),
            Step::Discard { lane, condition, .. } => lanes.discarded(lane, condition, true, *now),
        }
    }
    assert_eq!(alone, 3, "the first attempt and two retries");
}

#[test]
fn with_bisect_a_partial_response_splits_at_the_returned_record() {
    let mut lanes = lanes(Settings { bisect: true, maximum_retry_attempts: Some(0), ..settings() }, 4);
    let now = &mut start_of_time();
    invoke(&mut lanes, now, Verdict::Partly(vec![1]));
    assert_eq!(lanes.checkpoint(), Some("0"));
    assert_eq!(invoke(&mut lanes, now, Verdict::Partly(vec![0])), [1, 2, 3]);
    assert_eq!(invoke(&mut lanes, now, Verdict::Partly(vec![0])), [1]);
    assert_eq!(discard(&mut lanes, now).0, [1]);
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [2, 3]);
}

#[test]
fn a_throttle_uses_up_no_attempt() {
    let mut lanes = lanes(Settings { maximum_retry_attempts: Some(0), ..settings() }, 1);
    let now = &mut start_of_time();
    for _ in 0..20 {
        invoke(&mut lanes, now, Verdict::Throttled);
    }
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [0]);
}

#[test]
fn records_that_grew_too_old_are_given_up_and_younger_ones_are_not() {
    let mut lanes = Lanes::new(
        Settings { maximum_record_age: TimeDelta::seconds(60), ..settings() },
        Backoff::of_streams(1),
    );
    let now = &mut (start_of_time() + TimeDelta::seconds(61));
    lanes.push(record(0, 0), *now);
    lanes.push(Record { created: *now, ..record(1, 1) }, *now);
    assert_eq!(discard(&mut lanes, now), (vec![0], Condition::RecordAgeExceeded, 0));
    assert_eq!(invoke(&mut lanes, now, Verdict::Succeeded), [1]);
}

#[test]
fn a_destination_that_does_not_answer_holds_the_checkpoint() {
    let mut lanes = lanes(Settings { maximum_retry_attempts: Some(0), ..settings() }, 1);
    let now = &mut start_of_time();
    invoke(&mut lanes, now, error());
    let Step::Discard { lane, condition, .. } = only(&mut lanes, now) else { panic!() };
    lanes.discarded(lane, condition, false, *now);
    assert_eq!(lanes.checkpoint(), None);
    assert_eq!(discard(&mut lanes, now).0, [0]);
    assert_eq!(lanes.checkpoint(), Some("0"));
}

#[test]
fn skipped_records_are_checkpointed_once_those_before_them_are_settled() {
    let mut lanes = lanes(settings(), 1);
    lanes.skip("1".into());
    assert_eq!(lanes.checkpoint(), None);
    invoke(&mut lanes, &mut start_of_time(), Verdict::Succeeded);
    assert_eq!(lanes.checkpoint(), Some("1"));
}

#[test]
fn lanes_run_side_by_side() {
    let mut lanes = lanes(Settings { lanes: 4, ..settings() }, 8);
    let steps = lanes.start(start_of_time());
    assert_eq!(steps.len(), 4);
    lanes.invoked(1, Verdict::Succeeded, start_of_time());
    assert_eq!(lanes.checkpoint(), None, "record 0 is in another lane and not settled");
}

/// One thing that happens to a running batch.
#[derive(Clone, Debug)]
enum Fate {
    Succeed,
    Error,
    Throttle,
    PartlyFrom(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Succeed),
        2 => Just(Fate::Error),
        1 => Just(Fate::Throttle),
        2 => (0usize..6).prop_map(Fate::PartlyFrom),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The host dies at any point and reads again after its last checkpoint: every record still succeeds at least once, and
    /// each item's records succeed for the last time in their order.
    #[test]
    fn a_restart_repeats_and_loses_nothing(
        items in prop::collection::vec(0u64..4, 1..30),
        lives in prop::collection::vec(prop::collection::vec(fate(), 0..12), 0..6),
        batch_size in 1usize..6, lane_count in 1usize..4, bisect: bool,
    ) {
        let settings = Settings { batch_size, lanes: lane_count, bisect, ..settings() };
        let mut checkpoint: Option<u64> = None;
        let mut succeeded: Vec<u64> = Vec::new();
        let last_life = lives.len();
        for life in 0..=last_life {
            let mut lanes = Lanes::new(settings.clone(), Backoff::of_streams(1));
            let mut now = start_of_time();
            let first = checkpoint.map_or(0, |last| last + 1);
            for number in first..items.len() as u64 {
                lanes.push(record(number, items[usize::try_from(number).unwrap()]), now);
            }
            let mut fates = lives.get(life).cloned().unwrap_or_default().into_iter();
            'life: while !lanes.is_empty() {
                now = now.max(lanes.due(now).expect("unsettled records are due some time"));
                for step in lanes.start(now) {
                    let Step::Invoke { lane, batch } = step else { panic!("nothing is given up here") };
                    let numbers = sequences(&batch);
                    let verdict = match fates.next() {
                        Some(Fate::Error) => error(),
                        Some(Fate::Throttle) => Verdict::Throttled,
                        Some(Fate::PartlyFrom(from)) => {
                            let from = from.min(numbers.len() - 1);
                            succeeded.extend(&numbers[..from]);
                            Verdict::Partly((from..numbers.len()).collect())
                        }
                        Some(Fate::Succeed) => {
                            succeeded.extend(&numbers);
                            Verdict::Succeeded
                        }
                        None => {
                            succeeded.extend(&numbers);
                            if life < last_life {
                                // Dies after the function succeeded and before the checkpoint.
                                break 'life;
                            }
                            Verdict::Succeeded
                        }
                    };
                    lanes.invoked(lane, verdict, now);
                    checkpoint = lanes.checkpoint().map(|text| text.parse().unwrap()).or(checkpoint);
                }
            }
        }
        let mut last_time = BTreeMap::new();
        for (time, number) in succeeded.iter().enumerate() {
            last_time.insert(*number, time);
        }
        prop_assert_eq!(last_time.len(), items.len());
        for item in 0..4 {
            let of_item = |number: &u64| items[usize::try_from(*number).unwrap()] == item;
            let times: Vec<_> = last_time.iter().filter(|(number, _)| of_item(number)).map(|(_, time)| time).collect();
            prop_assert!(times.is_sorted());
        }
    }

    /// Whatever happens, every record is settled exactly once by success or by being given up, items keep their order, no
    /// batch is tried more often than allowed, and the checkpoint never passes an unsettled record.
    #[test]
    fn nothing_is_lost_and_order_holds(
        items in prop::collection::vec(0u64..5, 1..40),
        fates in prop::collection::vec(fate(), 1..200),
        batch_size in 1usize..8, lane_count in 1usize..4, bisect: bool,
        attempts in prop_oneof![Just(None), (0u32..4).prop_map(Some)],
        pick in any::<u64>(),
    ) {
        let settings =
            Settings { batch_size, lanes: lane_count, bisect, maximum_retry_attempts: attempts, ..settings() };
        let mut lanes = Lanes::new(settings, Backoff::of_streams(pick));
        let mut now = start_of_time();
        for (number, item) in items.iter().enumerate() {
            lanes.push(record(number as u64, *item), now);
        }
        let mut settled = BTreeSet::new();
        let mut last_of_item: BTreeMap<u64, u64> = BTreeMap::new();
        let mut singles: BTreeMap<u64, u32> = BTreeMap::new();
        let mut fates = fates.into_iter();
        let mut running = Vec::new();
        let mut random = fastrand::Rng::with_seed(pick);
        while !lanes.is_empty() {
            if running.is_empty() {
                now = now.max(lanes.due(now).expect("unsettled records are due some time"));
            }
            running.extend(lanes.start(now));
            prop_assert!(!running.is_empty());
            let (lane, batch, condition, verdict) = match running.swap_remove(random.usize(..running.len())) {
                Step::Discard { lane, batch, condition } => (lane, batch, Some(condition), Verdict::Succeeded),
                Step::Invoke { lane, batch } => {
                    let size = batch.records().len();
                    prop_assert!(size >= 1 && size <= batch_size);
                    // After the script everything succeeds, so that the run ends.
                    let verdict = match fates.next().unwrap_or(Fate::Succeed) {
                        Fate::Succeed => Verdict::Succeeded,
                        Fate::Error => error(),
                        Fate::Throttle => Verdict::Throttled,
                        Fate::PartlyFrom(first) => Verdict::Partly((first.min(size - 1)..size).collect()),
                    };
                    (lane, batch, None, verdict)
                }
            };
            let numbers = sequences(&batch);
            let done = match &verdict {
                Verdict::Succeeded => numbers.len(),
                Verdict::Partly(failed) => failed[0],
                Verdict::Failed(_) | Verdict::Throttled => 0,
            };
            if numbers.len() == 1 && done == 0 && verdict != Verdict::Throttled {
                *singles.entry(numbers[0]).or_default() += 1;
            }
            for number in &numbers[..done] {
                prop_assert!(settled.insert(*number), "{number} settled twice");
                let item = items[usize::try_from(*number).unwrap()];
                prop_assert!(last_of_item.insert(item, *number).is_none_or(|last| last < *number));
            }
            match condition {
                Some(condition) => lanes.discarded(lane, condition, true, now),
                None => lanes.invoked(lane, verdict, now),
            }
            let low_water = (0..).take_while(|number| settled.contains(number)).last();
            prop_assert_eq!(lanes.checkpoint().map(|text| text.parse::<u64>().unwrap()), low_water);
        }
        prop_assert_eq!(settled.len(), items.len());
        if let Some(most) = attempts {
            prop_assert!(singles.values().all(|failures| *failures <= most + 1));
        }
    }
}
