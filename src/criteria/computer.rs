//! Whether the computer has what a camera needs: time, memory, room on the disk.

/// All processors are at work from here on (F55).
pub const BUSY_CPU_PERCENT: f64 = 90.0;
/// Less free memory makes every program wait.
pub const LITTLE_MEMORY_BYTES: u64 = 200 << 20;
/// With less than this a disk is full before anybody looks: OBS stops recording there as well (F74).
pub const FULL_DISK_BYTES: u64 = 50 << 20;
/// With less than this it is worth a word.
pub const NEARLY_FULL_DISK_BYTES: u64 = 500 << 20;
/// To write as much as a picture takes longer than this: a disk or a network share that cannot keep up (F75).
pub const SLOW_WRITE_MS: f64 = 1_000.0;
/// A quarter of a frame at 30 a second. Where timers ring sooner, whoever keeps the processors busy stands back for others.
const LATE_TIMER_MS: f64 = 8.0;

/// Of all processors, or of the one that a process runs on.
#[must_use]
pub fn is_cpu_busy(percent: f64) -> bool {
    percent >= BUSY_CPU_PERCENT
}

/// How late 95 of 100 timers ring, at most: a program that waits for frames is late by as much.
#[must_use]
pub fn is_timer_late(late_ms: f64) -> bool {
    late_ms > LATE_TIMER_MS
}
