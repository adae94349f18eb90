//! The window without a graphics driver: what egui asks for is painted by a processor, and only where something has changed.
//!
//! For computers whose OpenGL is software as well (virtual machines, remote desktops, rescue systems), where it paints each pixel of the
//! window for each picture of the camera, and for those that have none.

use std::iter;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::UserEvent;
use egui::{
    Context, Event, FullOutput, RawInput, ViewportBuilder, ViewportCommand, ViewportEvent, ViewportId, ViewportInfo,
};
use egui_winit::accesskit_winit::WindowEvent as AccessEvent;
use egui_winit::winit::application::ApplicationHandler;
use egui_winit::winit::event::{StartCause, WindowEvent};
use egui_winit::winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy, OwnedDisplayHandle};
use egui_winit::winit::platform::run_on_demand::EventLoopExtRunOnDemand;
use egui_winit::winit::window::{Window as SystemWindow, WindowId};
use egui_winit::{ActionRequested, update_viewport_info};
use softbuffer::{Rect as DamagedRect, Surface};

use self::painter::SoftwarePainter;
use self::raster::{PixelRect, word_of};
use super::theme;

mod painter;
mod raster;

/// No texture of ours is larger, and there is no driver that has a limit.
const MAX_TEXTURE_SIDE: usize = 16_384;
/// A hidden window has its logic run as often, if something asks for it.
const HIDDEN_PERIOD: Duration = Duration::from_millis(100);
/// A window that the system does not let draw for so long is not seen.
const DRAW_DEADLINE: Duration = Duration::from_millis(250);

/// What is shown.
pub(super) trait SoftwareApp {
    /// What has to be done whether or not the window is seen.
    fn logic(&mut self, ctx: &Context);
    /// `took` is how long the pass before took to lay out and paint, in seconds.
    fn ui(&mut self, ui: &mut egui::Ui, took: Option<f32>);
}

/// Shows a window until it is closed. To be called on the main thread.
///
/// # Errors
/// Why there is no window.
pub(super) fn run<A: SoftwareApp>(
    event_loop: &mut EventLoop<UserEvent>,
    viewport: ViewportBuilder,
    create: impl FnOnce(&Context) -> Result<A, String>,
) -> Result<(), String> {
    let proxy = event_loop.create_proxy();
    let mut runner = SoftwareRunner { viewport, proxy, create: Some(create), running: None, result: Ok(()) };
    event_loop.run_app_on_demand(&mut runner).map_err(|error| error.to_string())?;
    runner.result
}

struct SoftwareRunner<A, C> {
    viewport: ViewportBuilder,
    proxy: EventLoopProxy<UserEvent>,
    create: Option<C>,
    running: Option<SoftwareWindow<A>>,
    result: Result<(), String>,
}

/// A window of the system, and what is in it.
struct SoftwareWindow<A> {
    app: A,
    ctx: Context,
    state: egui_winit::State,
    info: ViewportInfo,
    /// What a pass that nobody saw has left.
    unused_input: RawInput,
    painter: SoftwarePainter,
    /// Before the window that it shows pictures in.
    surface: Surface<OwnedDisplayHandle, Arc<SystemWindow>>,
    surface_size: [usize; 2],
    window: Arc<SystemWindow>,
    actions: Vec<ActionRequested>,
    /// When the next pass is due.
    due: Option<Instant>,
    /// The system was asked to let the window draw, and has so long for it.
    drawn_by: Option<Instant>,
    took: Option<f32>,
}

impl<A: SoftwareApp> SoftwareWindow<A> {
    fn open(
        event_loop: &ActiveEventLoop,
        viewport: &ViewportBuilder,
        proxy: &EventLoopProxy<UserEvent>,
        create: impl FnOnce(&Context) -> Result<A, String>,
    ) -> Result<Self, String> {
        let ctx = Context::default();
        ctx.options_mut(|options| options.max_passes = 2.try_into().unwrap_or(options.max_passes));
        let repaint = proxy.clone();
        ctx.set_request_repaint_callback(move |request| {
            let _ = repaint.send_event(UserEvent::RequestRepaint {
                viewport_id: request.viewport_id,
                when: Instant::now() + request.delay,
                cumulative_pass_nr: request.current_cumulative_pass_nr,
            });
        });
        // Those who read the screen have to know the window before it is seen.
        let hidden = viewport.clone().with_visible(false);
        let window = egui_winit::create_window(&ctx, event_loop, &hidden).map_err(|error| error.to_string())?;
        let window = Arc::new(window);
        let display = softbuffer::Context::new(event_loop.owned_display_handle()).map_err(|error| error.to_string())?;
        let surface = Surface::new(&display, Arc::clone(&window)).map_err(|error| error.to_string())?;
        #[expect(clippy::cast_possible_truncation, reason = "a few pixels for a point")]
        let scale = window.scale_factor() as f32;
        let mut state = egui_winit::State::new(
            ctx.clone(),
            ViewportId::ROOT,
            event_loop,
            Some(scale),
            window.theme(),
            Some(MAX_TEXTURE_SIDE),
        );
        state.init_accesskit(event_loop, &window, proxy.clone());
        let mut info = ViewportInfo::default();
        update_viewport_info(&mut info, &ctx, &window, true);
        let app = create(&ctx)?;
        Ok(Self {
            app,
            ctx,
            state,
            info,
            unused_input: RawInput::default(),
            painter: SoftwarePainter::default(),
            surface,
            surface_size: [0; 2],
            window,
            actions: Vec::new(),
            due: Some(Instant::now()),
            drawn_by: None,
            took: None,
        })
    }

    fn is_hidden(&self) -> bool {
        self.window.is_minimized() == Some(true) || self.info.occluded == Some(true)
    }

    /// The next pass is then, or earlier.
    fn ask_for_pass(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn input(&mut self) -> RawInput {
        update_viewport_info(&mut self.info, &self.ctx, &self.window, false);
        let mut input = std::mem::take(&mut self.unused_input);
        input.append(self.state.take_egui_input(&self.window));
        input.viewports = iter::once((ViewportId::ROOT, self.info.clone())).collect();
        self.info.events.clear();
        input
    }

    fn follow_commands(&mut self, commands: Vec<ViewportCommand>) {
        egui_winit::process_viewport_commands(&self.ctx, &mut self.info, commands, &self.window, &mut self.actions);
        if !self.info.events.is_empty() {
            self.ask_for_pass(Instant::now());
        }
    }

    /// Nobody sees the window. Whether it shall close.
    fn pass_unseen(&mut self, event_loop: &ActiveEventLoop) -> bool {
        let input = self.input();
        let is_closed = input.viewport().close_requested();
        let output = self.ctx.run_logic(&input, |ctx| self.app.logic(ctx));
        self.unused_input = input;
        if let Some(info) = self.unused_input.viewports.get_mut(&ViewportId::ROOT) {
            info.events.clear();
        }
        self.state.handle_platform_output_with_event_loop(&self.window, event_loop, output.platform_output);
        for (_, commands) in output.viewport_commands {
            self.follow_commands(commands);
        }
        is_closed
    }

    /// Lays out the window and paints what is new, or shows all of it where the system has lost it. Whether it shall close.
    fn pass(&mut self, event_loop: &ActiveEventLoop, is_lost: bool) -> Result<bool, String> {
        let wants_paint = self.actions.iter().any(ActionRequested::wants_paint);
        if self.is_hidden() && !wants_paint {
            return Ok(self.pass_unseen(event_loop));
        }
        let began = Instant::now();
        let input = self.input();
        let is_closed = input.viewport().close_requested();
        let took = self.took;
        let output = self.ctx.run_ui(input, |ui| {
            self.app.logic(&ui.ctx().clone());
            self.app.ui(ui, took);
        });
        let FullOutput { platform_output, textures_delta, shapes, pixels_per_point, viewport_output } = output;
        self.state.handle_platform_output_with_event_loop(&self.window, event_loop, platform_output);
        let size = self.window.inner_size();
        let size = [size.width as usize, size.height as usize];
        let ground = word_of(theme::GROUND);
        let parts = self.painter.paint(&self.ctx, size, shapes, textures_delta, pixels_per_point, ground);
        self.took = Some(began.elapsed().as_secs_f32());
        self.act();
        self.present(&parts, is_lost)?;
        for (_, output) in viewport_output {
            self.follow_commands(output.commands);
        }
        Ok(is_closed)
    }

    /// What was asked for besides.
    fn act(&mut self) {
        for action in std::mem::take(&mut self.actions) {
            let events = match action {
                ActionRequested::Screenshot(callback) => {
                    callback.complete(Arc::new(self.painter.picture()));
                    continue;
                }
                ActionRequested::PaintWhileHidden => continue,
                ActionRequested::Cut => Some(Event::Cut),
                ActionRequested::Copy => Some(Event::Copy),
                ActionRequested::Paste => match self.state.clipboard_text() {
                    Some(text) => {
                        Some(text).filter(|text| !text.is_empty()).map(|text| Event::Paste(text.replace("\r\n", "\n")))
                    }
                    None => self.state.clipboard_image().map(|image| Event::PasteImage(Arc::new(image))),
                },
            };
            self.state.egui_input_mut().events.extend(events);
        }
    }

    /// Puts what was painted on the screen.
    fn present(&mut self, parts: &[PixelRect], is_lost: bool) -> Result<(), String> {
        let framebuffer = self.painter.framebuffer();
        let side = |pixels: usize| u32::try_from(pixels).ok().and_then(NonZeroU32::new);
        let (Some(width), Some(height)) = (side(framebuffer.size[0]), side(framebuffer.size[1])) else { return Ok(()) };
        let why = |error: softbuffer::SoftBufferError| error.to_string();
        let is_resized = self.surface_size != framebuffer.size;
        if is_resized {
            self.surface.resize(width, height).map_err(why)?;
            self.surface_size = framebuffer.size;
        }
        if parts.is_empty() && !is_lost && !is_resized {
            return Ok(());
        }
        let mut buffer = self.surface.buffer_mut().map_err(why)?;
        // It has what was put there last, unless the system has given another one.
        let whole = PixelRect::new(0, 0, framebuffer.size[0], framebuffer.size[1]);
        let parts: Vec<PixelRect> =
            if is_resized || is_lost || buffer.age() != 1 { whole.into_iter().collect() } else { parts.to_vec() };
        for part in &parts {
            let rows = buffer.chunks_exact_mut(framebuffer.size[0]).take(part.bottom).skip(part.top);
            for (row, new) in rows.zip(framebuffer.rows(*part)) {
                if let Some(row) = row.get_mut(part.left..part.right) {
                    row.copy_from_slice(new);
                }
            }
        }
        let damaged: Vec<DamagedRect> = parts.iter().filter_map(|part| damaged(*part)).collect();
        self.window.pre_present_notify();
        buffer.present_with_damage(&damaged).map_err(why)
    }
}

fn damaged(part: PixelRect) -> Option<DamagedRect> {
    let number = |pixels: usize| u32::try_from(pixels).ok();
    Some(DamagedRect {
        x: number(part.left)?,
        y: number(part.top)?,
        width: NonZeroU32::new(number(part.right - part.left)?)?,
        height: NonZeroU32::new(number(part.bottom - part.top)?)?,
    })
}

impl<A: SoftwareApp, C: FnOnce(&Context) -> Result<A, String>> SoftwareRunner<A, C> {
    /// What comes of a pass.
    fn conclude(&mut self, event_loop: &ActiveEventLoop, passed: Result<bool, String>) {
        let is_over = match passed {
            Ok(is_closed) => is_closed,
            Err(why) => {
                self.result = Err(why);
                true
            }
        };
        if is_over {
            // The cameras are released while the window is still there.
            self.running = None;
            event_loop.exit();
        }
    }

    /// Has the window drawn if it is time, and sleeps until it is.
    fn look(&mut self, event_loop: &ActiveEventLoop) {
        let Some(running) = &mut self.running else { return };
        let now = Instant::now();
        let mut is_closed = false;
        if running.due.is_some_and(|due| due <= now) {
            running.due = None;
            if running.is_hidden() && !running.actions.iter().any(ActionRequested::wants_paint) {
                is_closed = running.pass_unseen(event_loop);
                running.due = running.due.map(|due| due.max(now + HIDDEN_PERIOD));
            } else {
                running.window.request_redraw();
                running.drawn_by.get_or_insert(now + DRAW_DEADLINE);
            }
        } else if running.drawn_by.is_some_and(|by| by <= now) {
            running.drawn_by = None;
            is_closed = running.pass_unseen(event_loop);
        }
        let next = [running.due, running.drawn_by].into_iter().flatten().min();
        event_loop.set_control_flow(next.map_or(ControlFlow::Wait, ControlFlow::WaitUntil));
        if is_closed {
            self.conclude(event_loop, Ok(true));
        }
    }
}

impl<A: SoftwareApp, C: FnOnce(&Context) -> Result<A, String>> ApplicationHandler<UserEvent> for SoftwareRunner<A, C> {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        let Some(create) = self.create.take() else { return };
        match SoftwareWindow::open(event_loop, &self.viewport, &self.proxy, create) {
            Ok(mut running) => {
                // It is painted before it is seen.
                let passed = running.pass(event_loop, true);
                running.window.set_visible(true);
                running.ask_for_pass(Instant::now());
                self.running = Some(running);
                self.conclude(event_loop, passed);
            }
            Err(why) => self.conclude(event_loop, Err(why)),
        }
    }

    fn new_events(&mut self, event_loop: &ActiveEventLoop, _: StartCause) {
        self.look(event_loop);
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        self.look(event_loop);
    }

    fn exiting(&mut self, _: &ActiveEventLoop) {
        self.running = None;
    }

    fn user_event(&mut self, _: &ActiveEventLoop, event: UserEvent) {
        let Some(running) = &mut self.running else { return };
        match event {
            UserEvent::RequestRepaint { when, cumulative_pass_nr, .. } => {
                // Of one that was asked for earlier a pass has been made since.
                let n_passes = running.ctx.cumulative_pass_nr();
                if n_passes == cumulative_pass_nr || n_passes == cumulative_pass_nr + 1 {
                    running.ask_for_pass(when);
                }
            }
            UserEvent::AccessKitActionRequest(event) => match event.window_event {
                AccessEvent::InitialTreeRequested => {
                    running.ctx.enable_accesskit();
                    running.ask_for_pass(Instant::now());
                }
                AccessEvent::ActionRequested(request) => {
                    running.state.on_accesskit_action_request(request);
                    running.ask_for_pass(Instant::now());
                }
                AccessEvent::AccessibilityDeactivated => running.ctx.disable_accesskit(),
            },
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let Some(running) = &mut self.running else { return };
        match &event {
            WindowEvent::RedrawRequested => {
                // Without having been asked, the system wants back what was covered.
                let is_lost = running.drawn_by.take().is_none();
                let passed = running.pass(event_loop, is_lost);
                self.conclude(event_loop, passed);
                return;
            }
            WindowEvent::CloseRequested => {
                running.info.events.push(ViewportEvent::Close);
                running.ask_for_pass(Instant::now());
            }
            WindowEvent::Occluded(is_occluded) => running.info.occluded = Some(*is_occluded),
            WindowEvent::Resized(_) => running.ask_for_pass(Instant::now()),
            _ => {}
        }
        if running.state.on_window_event(&running.window, &event).repaint {
            running.ask_for_pass(Instant::now());
        }
    }
}
