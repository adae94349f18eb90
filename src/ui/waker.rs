//! When the window is drawn again: what many cameras tell within a moment is one pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Two calls within that time are one pass.
const JOINED: Duration = Duration::from_millis(1);
/// Between two passes of a window with several cameras, which do not keep step with each other: each picture is seen, at most so
/// much later.
const SEVERAL_CAMERAS: Duration = Duration::from_millis(25);
/// Asks for passes. A window that nobody sees is not drawn.
#[derive(Clone)]
pub(super) struct Waker {
    ctx: egui::Context,
    is_hidden: Arc<AtomicBool>,
    began: Instant,
    /// Before that no other pass is needed, in nanoseconds from `began`.
    not_before: Arc<AtomicU64>,
}

impl Waker {
    pub fn new(ctx: egui::Context) -> Self {
        Self { ctx, is_hidden: Arc::default(), began: Instant::now(), not_before: Arc::default() }
    }

    /// Something is new.
    pub fn wake(&self) {
        if self.is_hidden.load(Ordering::Relaxed) {
            return;
        }
        let not_before = Duration::from_nanos(self.not_before.load(Ordering::Relaxed));
        self.ctx.request_repaint_after(not_before.saturating_sub(self.began.elapsed()).max(JOINED));
    }

    pub fn set_hidden(&self, is_hidden: bool) {
        self.is_hidden.store(is_hidden, Ordering::Relaxed);
    }

    /// A pass has ended. So many cameras ask for the next one.
    pub fn end_pass(&self, n_cameras: usize) {
        let pause = if n_cameras > 1 { SEVERAL_CAMERAS } else { Duration::ZERO };
        let not_before = u64::try_from((self.began.elapsed() + pause).as_nanos()).unwrap_or(u64::MAX);
        self.not_before.store(not_before, Ordering::Relaxed);
    }
}
