//! Benchmarks: each prints a ratio against a yardstick of the same run, beside its budget. No test: machines differ.
//!
//! `cargo bench` runs them optimised; `cargo bench --profile dev` is quicker to build and near enough.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "in a benchmark a panic is the message")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::latest::Latest;

fn main() {
    newest_frame_to_texture();
    readers_and_the_writer();
    looking_at_the_picture();
}

fn report(what: &str, ratio: f64, budget: f64, yardstick: &str) {
    println!("{what}: {ratio:.2} x {yardstick} (budget {budget})");
}

/// The middle of many runs of `work`, in seconds.
fn median_secs(n: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..n)
        .map(|_| {
            let before = Instant::now();
            work();
            before.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[n / 2]
}

fn newest_frame_to_texture() {
    use camclinic::frame::{Image, Size};
    let size = Size { width: 1920, height: 1080 };
    let pixels: Vec<u8> = (0..size.n_bytes()).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let image = Image::new(size, pixels).unwrap();
    let rgba: Vec<u8> = vec![7; 1920 * 1080 * 4];
    let mut copy = rgba.clone();
    // In turn, so that a change of the machine's speed meets both.
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        best.0 = best.0.min(median_secs(20, || copy.copy_from_slice(black_box(&rgba))));
        best.1 = best.1.min(median_secs(20, || {
            black_box(camclinic::ui::viewer::color_image_from_bgr(black_box(&image)));
        }));
    }
    black_box(copy);
    report("newest frame to texture, 1080p", best.1 / best.0, 3.0, "one memcpy of the RGBA picture");
}

fn readers_and_the_writer() {
    let (one, eight) = (publish_secs(1), publish_secs(8));
    report("publishing to 8 waiting readers", eight / one, 1.2, "publishing to 1");
}

/// What one `publish` costs the writer, with so many readers that wait for each value.
fn publish_secs(n_readers: usize) -> f64 {
    let latest = Latest::<Vec<u8>>::new();
    let ended = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..n_readers)
        .map(|_| {
            let mut reader = latest.reader();
            let ended = Arc::clone(&ended);
            thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    black_box(reader.wait_fresh(Instant::now() + Duration::from_millis(50)));
                }
            })
        })
        .collect();
    let mut costs: Vec<f64> = (0..1_500)
        .map(|_| {
            // At a camera's pace, so that every reader is waiting again.
            thread::sleep(Duration::from_millis(2));
            let value = vec![1; 64];
            let before = Instant::now();
            latest.publish(value);
            before.elapsed().as_secs_f64()
        })
        .collect();
    costs.sort_by(f64::total_cmp);
    ended.store(true, Ordering::Relaxed);
    for reader in readers {
        let _ = reader.join();
    }
    costs[costs.len() / 2]
}

fn looking_at_the_picture() {
    use camclinic::frame::{Image, Size};
    use camclinic::picture::{FrameCoding, PictureSeries, PictureTraits, RowSteps};
    /// Pictures that follow each that is looked at, and are compared row by row.
    const N_FOLLOWERS: f64 = 8.0;
    let size = Size { width: 1920, height: 1080 };
    // Two pictures in turn, with an edge in each that moves, and noise: no short cut can be taken.
    let images = [0_usize, 40].map(|shift| {
        let pixel = |n: usize| if (n / 3 % 1920 + shift) % 480 < 240 { 60 } else { 180 };
        let pixels: Vec<u8> = (0..size.n_bytes()).map(|n| pixel(n) + u8::try_from((n + shift) % 7).unwrap()).collect();
        Image::new(size, pixels).unwrap()
    });
    let mut copy = images[0].pixels().to_vec();
    let mut series = PictureSeries::new(FrameCoding::Intra);
    let began = Instant::now();
    let mut n = 0_u32;
    // In turn, so that a change of the machine's speed meets all.
    let mut best = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..5 {
        best.0 = best.0.min(median_secs(20, || copy.copy_from_slice(black_box(images[0].pixels()))));
        best.1 = best.1.min(median_secs(20, || {
            n += 1;
            series.add(black_box(&images[n as usize % 2]), began + Duration::from_millis(500) * n);
            black_box(series.stats());
        }));
        best.2 = best.2.min(median_secs(20, || {
            n += 1;
            black_box(PictureTraits::of(black_box(&images[n as usize % 2]), None));
            black_box(RowSteps::of(black_box(&images[n as usize % 2])));
        }));
    }
    black_box(copy);
    report("looking at a picture, 1080p", best.1 / best.0, 12.0, "one memcpy of it");
    report("comparing its rows", best.2 / best.0, 6.0, "one memcpy of it");
    let looks = 2.0 * (best.1 + best.2 * N_FOLLOWERS) * 100.0;
    println!("looking at two a second and at {N_FOLLOWERS} after each takes {looks:.2} % of a core (budget 2)");
}
