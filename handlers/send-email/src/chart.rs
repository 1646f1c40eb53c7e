//! A day's changes by the hour, as bars.

/// The highest bar, in pixels.
const HEIGHT: u64 = 96;
/// The longest bar in text, in characters.
const WIDTH: u64 = 40;

pub(crate) struct Bar {
    pub(crate) hour: usize,
    pub(crate) count: u64,
    /// Pixels; zero only where nothing happened.
    pub(crate) height: u64,
    /// Pixels left above it.
    pub(crate) space: u64,
    /// For mail without pictures.
    pub(crate) text: String,
}

impl Bar {
    /// Every third hour stands below the axis.
    pub(crate) fn is_labelled(&self) -> bool {
        self.hour.is_multiple_of(3)
    }
}

/// One bar for each of 24 hours, whatever the report holds.
pub(crate) fn bars(hours: &[u64]) -> Vec<Bar> {
    let most = hours.iter().copied().max().unwrap_or(0).max(1);
    (0..24)
        .map(|hour| {
            let count = hours.get(hour).copied().unwrap_or(0);
            let height = scaled(count, most, HEIGHT);
            let text = "#".repeat(usize::try_from(scaled(count, most, WIDTH)).unwrap_or(0));
            Bar { hour, count, height, space: HEIGHT - height, text }
        })
        .collect()
}

/// `count` of `most`, as a part of `full`; anything at all is seen.
fn scaled(count: u64, most: u64, full: u64) -> u64 {
    (u128::from(count) * u128::from(full)).div_ceil(u128::from(most)).try_into().unwrap_or(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_keep_proportion_and_little_is_not_nothing() {
        let bars = bars(&[0, 1, 50, 100, u64::MAX / 2]);
        assert_eq!(bars.len(), 24);
        assert_eq!((bars[0].height, bars[1].height, bars[4].height, bars[5].height), (0, 1, HEIGHT, 0));
    }

    #[test]
    fn an_empty_day_has_no_bars() {
        assert!(bars(&[]).iter().all(|bar| bar.height == 0 && bar.text.is_empty()));
    }
}
