//! Sample for sample what libwebp decodes.

use super::*;
use crate::decode::webp::container::Container;
use proptest::prelude::*;
use webpx::{EncoderConfig, Unstoppable, YuvPlanes};

/// All three planes, without what is beyond the picture.
fn planes(file: &[u8]) -> Result<[Vec<u8>; 3], Refused> {
    let container = Container::read(file)?;
    let mut decoder = Decoder::new(container.lossy().ok_or_else(Refused::ends_early)?)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    let mut planes = [(); 3].map(|()| Vec::new());
    for top in (0..height).step_by(SIDE) {
        let rows = decoder.row()?;
        let [luma, chroma] = rows.strides;
        let left = height - top;
        rows.luma.chunks_exact(luma).take(left).for_each(|row| planes[0].extend(&row[..width]));
        for (plane, samples) in planes[1..].iter_mut().zip(rows.chroma) {
            let rows = samples.chunks_exact(chroma).take(left.div_ceil(2));
            rows.for_each(|row| plane.extend(&row[..width.div_ceil(2)]));
        }
    }
    Ok(planes)
}

fn by_libwebp(file: &[u8]) -> Option<[Vec<u8>; 3]> {
    let YuvPlanes { y, y_stride, u, u_stride, v, v_stride, width, .. } = webpx::decode_yuv(file).ok()?;
    let plane = |samples: Vec<u8>, stride: usize, width: u32| {
        samples.chunks(stride).flat_map(|row| &row[..width as usize]).copied().collect()
    };
    let half = width.div_ceil(2);
    Some([plane(y, y_stride, width), plane(u, u_stride, half), plane(v, v_stride, half)])
}

/// Shapes, edges and noise, so that blocks of all kinds are of use.
fn picture(width: u32, height: u32, noise: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let mut pixels = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let shape = (x * x + y * y) / 64 % 3 * 80 + (x / 8 + y / 5) % 2 * 60;
        let value =
            |shift: u32| (shape + x * shift / 3 + (state >> (8 * shift)) % (noise + 1)).min(255) as u8;
        pixels.extend([value(1), value(2), value(3)]);
    }
    pixels
}

/// libwebp's filter of edges has nothing to do in them.
fn encoder() -> EncoderConfig {
    EncoderConfig::new().filter_strength(0).autofilter(false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn samples_are_those_of_libwebp(
        (width, height) in (1_u32..100, 1_u32..100),
        quality in 0..=100_u8,
        method in 0..=4_u8,
        (partitions, segments) in (0..=3_u8, 1..=4_u8),
        noise in prop::sample::select(vec![0, 20, 200]),
    ) {
        let encoder = encoder().quality(f32::from(quality)).method(method);
        let encoder = encoder.partitions(partitions).segments(segments);
        let file = encoder.encode_rgb(&picture(width, height, noise), width, height, Unstoppable).unwrap();
        prop_assert_eq!(Some(planes(&file).unwrap()), by_libwebp(&file));
    }

    #[test]
    fn damaged_files_end_as_they_do_in_libwebp(
        changes in prop::collection::vec((30_usize..3000, any::<u8>()), 0..4),
        length in 30_usize..6000,
    ) {
        let mut file = encoder().encode_rgb(&picture(96, 80, 30), 96, 80, Unstoppable).unwrap();
        let end = file.len();
        changes.iter().for_each(|&(at, value)| file[30 + at % (end - 30)] = value);
        file.truncate(length & !1);
        let size = |before: usize| u32::try_from(file.len() - before).unwrap().to_le_bytes();
        let sizes = [size(8), size(20)];
        file[4..8].copy_from_slice(&sizes[0]);
        file[16..20].copy_from_slice(&sizes[1]);
        let (ours, theirs) = (planes(&file), by_libwebp(&file));
        prop_assert_eq!(ours.is_ok(), theirs.is_some(), "{:?}", ours.err());
    }
}
