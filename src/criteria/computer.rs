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
/// Of the time in which anything could not go on for want of a processor, or of a disk: from here on others are in the way.
const HIGH_PRESSURE_PERCENT: f64 = 50.0;
/// Of its time, what a process that fetches frames can wait for a processor and yet be there in time: the driver's buffers last for it.
const LONG_WAIT_PERCENT: f64 = 20.0;
/// So much of the time at work, or waiting for a processor, leaves little for whatever else it could have waited for.
const MOST_OF_TIME_PERCENT: f64 = 50.0;
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

/// Processors, or disks, are in such demand that something has to wait for them half of the time.
#[must_use]
pub fn is_under_pressure(percent: f64) -> bool {
    percent >= HIGH_PRESSURE_PERCENT
}

/// A process that fetches frames was given no processor for so much of the time that frames may be lost, or late, because of it.
#[must_use]
pub fn has_waited_long(percent: f64) -> bool {
    percent >= LONG_WAIT_PERCENT
}

/// It was at work or waited for a processor for so much of the time that it may not have got to look for a frame at all.
#[must_use]
pub fn has_only_waited(percent: f64) -> bool {
    percent >= MOST_OF_TIME_PERCENT
}
