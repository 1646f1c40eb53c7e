//! Sequential files: every block comes once, and whole. Of its coefficients only those are built that the scale needs.

use super::bits::Bits;
use super::frame::Frame;
use super::huffman::{Ac, Table, coefficient, pass_over};
use super::store::{Canvas, Store};
use super::tables::{Scan, Steps, Tables};
use super::transform::{Scale, ZIGZAG};
use super::units::{Place, Units};
use crate::Refused;

/// Dequantised coefficients are kept to what 16 bits hold, which real ones never reach.
const LARGEST: i32 = 32_767;

/// One component's part in a scan, with all that decoding a block of it takes.
struct Channel<'a> {
    dc: &'a Table,
    ac: &'a Table,
    steps: Steps,
    prediction: i32,
}

/// Decodes a scan into the store.
pub(super) fn scan(
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    data: &[u8],
    store: &mut Store,
) -> Result<(), Refused> {
    match store.scale {
        Scale::Eighth => blocks::<1>(frame, scan, tables, data, store),
        Scale::Quarter => blocks::<2>(frame, scan, tables, data, store),
        Scale::Half => blocks::<4>(frame, scan, tables, data, store),
        Scale::Full => blocks::<8>(frame, scan, tables, data, store),
    }
}

fn blocks<const SIDE: usize>(
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    data: &[u8],
    store: &mut Store,
) -> Result<(), Refused> {
    let mut channels = Vec::with_capacity(scan.members.len());
    for member in &scan.members {
        let steps = tables.steps(frame.components[member.component].quantisation)?;
        let (dc, ac) = (tables.dc(member.dc)?, tables.ac(member.ac)?);
        channels.push(Channel { dc, ac, steps, prediction: 0 });
    }
    let mut bits = Bits::new(data);
    let units = Units::of(frame, scan);
    for row in 0..units.rows {
        for column in 0..units.in_row {
            if units.restarts_at(row, column, tables.restart_interval) {
                bits.restart();
                channels.iter_mut().for_each(|channel| channel.prediction = 0);
            }
            for (channel, member) in channels.iter_mut().zip(&units.members) {
                let canvas = &mut store.canvases[member.component];
                for place in member.places(row, column) {
                    block::<SIDE>(&mut bits, channel, canvas, place);
                }
            }
        }
        bits.check()?;
    }
    Ok(())
}

#[inline(always)]
fn block<const SIDE: usize>(
    bits: &mut Bits<'_>,
    channel: &mut Channel<'_>,
    canvas: &mut Canvas,
    place: Place,
) {
    bits.fill();
    channel.prediction = channel.prediction.wrapping_add(channel.dc.difference(bits));
    let dc = times(channel.prediction, channel.steps[0]);
    if SIDE == 1 {
        pass_over(bits, channel.ac, 1);
        canvas.put_mean(place, dc);
        return;
    }
    let mut coefficients = [0; 64];
    coefficients[0] = dc;
    let is_flat = rest_of_block::<SIDE>(bits, channel, &mut coefficients);
    if is_flat {
        canvas.put_flat::<SIDE>(place, dc);
    } else {
        canvas.put::<SIDE>(place, &coefficients);
    }
}

/// Whether there is nothing but the mean among the coefficients that count.
#[inline(always)]
fn rest_of_block<const SIDE: usize>(
    bits: &mut Bits<'_>,
    channel: &Channel<'_>,
    coefficients: &mut [i32; 64],
) -> bool {
    let wanted = match SIDE {
        2 => Scale::Quarter.coefficients(),
        4 => Scale::Half.coefficients(),
        _ => Scale::Full.coefficients(),
    };
    let mut is_flat = true;
    let mut next = 1;
    while next < wanted {
        if bits.available() < 32 {
            bits.fill();
        }
        match coefficient(bits, channel.ac) {
            Ac::End { .. } => return is_flat,
            Ac::Value { run, value } => {
                next += run;
                // Damaged files can go too far; the place is then as good as any other.
                let place = usize::from(ZIGZAG[(next & 63) as usize]);
                coefficients[place] = times(value, channel.steps[place]);
                is_flat &= next >= wanted || value == 0;
                next += 1;
            }
        }
    }
    pass_over(bits, channel.ac, next);
    is_flat
}

#[inline(always)]
fn times(value: i32, step: i32) -> i32 {
    value.wrapping_mul(step).clamp(-LARGEST, LARGEST)
}
