//! A picture of the window itself, for documentation and tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use egui::ColorImage;

use crate::codec;
use crate::disk::{FileAccess, write_whole};
use crate::frame::{Image, Size};
use crate::lock::Lock;

/// When nobody says otherwise: time for the first pictures, and for the layout to settle.
pub const DEFAULT_AFTER: Duration = Duration::from_secs(2);
/// The graphics driver's time for handing over what is on the screen.
const DEADLINE: Duration = Duration::from_secs(10);

/// The request for a picture of the window.
#[derive(Clone, Debug)]
pub struct Screenshot {
    /// The PNG file.
    pub path: PathBuf,
    /// Counted from the first pass.
    pub after: Duration,
}

/// How it went, for whoever waits for the window to close.
#[derive(Clone, Default)]
pub(super) struct ScreenshotResult(Arc<Lock<Option<Result<(), String>>>>);

impl ScreenshotResult {
    fn set(&self, result: Result<(), String>) {
        *self.0.lock() = Some(result);
    }

    /// Good when no picture was asked for.
    pub(super) fn take(&self) -> Result<(), String> {
        self.0.lock().take().unwrap_or(Ok(()))
    }
}

/// A screenshot on its way.
pub(super) struct Shot {
    request: Screenshot,
    outcome: ScreenshotResult,
    picture_tx: Sender<Arc<ColorImage>>,
    picture: Receiver<Arc<ColorImage>>,
    step: ScreenshotStep,
}

enum ScreenshotStep {
    NotStarted,
    Waiting { until: Instant },
    Asked { until: Instant },
    Done,
}

impl Shot {
    pub(super) fn new(request: Screenshot, outcome: ScreenshotResult) -> Self {
        outcome.set(Err(format!("No picture of the window was taken before it closed: {}", request.path.display())));
        let (picture_tx, picture) = bounded(1);
        Self { request, outcome, picture_tx, picture, step: ScreenshotStep::NotStarted }
    }

    /// Goes on to the next step when it is time. Closes the window after the last one.
    pub(super) fn advance(&mut self, ctx: &egui::Context) {
        let now = Instant::now();
        match self.step {
            ScreenshotStep::NotStarted => {
                let until = now + self.request.after;
                self.step = ScreenshotStep::Waiting { until };
                self.guard(ctx);
                ctx.request_repaint_after(self.request.after);
            }
            ScreenshotStep::Waiting { until } if now < until => ctx.request_repaint_after(until - now),
            ScreenshotStep::Waiting { .. } => {
                let sender = self.picture_tx.clone();
                let waker = ctx.clone();
                ctx.request_screenshot(move |image| {
                    let _ = sender.try_send(image);
                    waker.request_repaint();
                });
                self.step = ScreenshotStep::Asked { until: now + DEADLINE };
                ctx.request_repaint();
            }
            ScreenshotStep::Asked { until } => {
                let result = match self.picture.try_recv() {
                    Ok(image) => save(&image, &self.request.path),
                    Err(_) if now < until => {
                        ctx.request_repaint_after(Duration::from_millis(50));
                        return;
                    }
                    Err(_) => Err(format!(
                        "The graphics driver gave no picture of the window within {} s.",
                        DEADLINE.as_secs()
                    )),
                };
                self.outcome.set(result);
                self.step = ScreenshotStep::Done;
                ctx.send_viewport_cmd(egui::ViewportCommand::Close);
            }
            ScreenshotStep::Done => {}
        }
    }

    /// A window that the system never draws gets no step at all: it is closed from outside then.
    fn guard(&self, ctx: &egui::Context) {
        let ctx = ctx.clone();
        let limit = self.request.after + 2 * DEADLINE;
        let work = move || {
            thread::sleep(limit);
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
            ctx.request_repaint();
        };
        if let Err(error) = thread::Builder::new().name("screenshot-limit".to_owned()).spawn(work) {
            self.outcome.set(Err(format!("The system gives no thread ({error}). Close other programs.")));
        }
    }
}

fn save(picture: &ColorImage, path: &std::path::Path) -> Result<(), String> {
    let failed = |why: String| format!("The picture of the window was not saved: {why}: {}", path.display());
    let count = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let size = Size::new(count(picture.width()), count(picture.height()))
        .ok_or_else(|| failed("the window has no size".to_owned()))?;
    let pixels: Vec<u8> = picture.pixels.iter().flat_map(|pixel| [pixel.b(), pixel.g(), pixel.r()]).collect();
    let image = Image::new(size, pixels).ok_or_else(|| failed("the driver gave half a picture".to_owned()))?;
    let png = codec::encode_png(&image).map_err(&failed)?;
    write_whole(path, &png, FileAccess::Usual).map_err(|error| failed(error.to_string()))
}
