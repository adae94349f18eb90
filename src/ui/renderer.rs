//! Who paints the window: OpenGL, or a processor where OpenGL is missing or software itself.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use eframe::UserEvent;
use eframe::glow::{self, HasContext};
use egui::{Context, ViewportBuilder};
use egui_winit::winit::event_loop::EventLoop;
use egui_winit::winit::platform::run_on_demand::EventLoopExtRunOnDemand;

use super::software::{self, SoftwareApp};
use super::{App, text, theme};
use crate::settings::RendererChoice;

/// The one that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Renderer {
    /// By its own name.
    Gl(String),
    #[default]
    Software,
}

/// What OpenGL is called where a processor does all of it: Mesa's three, Chromium's, those of Windows and of macOS.
const SOFTWARE: [&str; 7] =
    ["llvmpipe", "softpipe", "software rasterizer", "swiftshader", "gdi generic", "basic render", "apple software"];

fn is_software(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SOFTWARE.iter().any(|software| name.contains(software))
}

/// Shows the window until it is closed.
///
/// # Errors
/// A sentence that says why there is no window and what to do.
pub(super) fn show(
    choice: RendererChoice,
    viewport: ViewportBuilder,
    create: impl FnOnce(&Context, Renderer) -> io::Result<App>,
) -> Result<(), String> {
    let native = eframe::NativeOptions {
        renderer: eframe::Renderer::Glow,
        viewport: viewport.clone(),
        ..eframe::NativeOptions::default()
    };
    if choice == RendererChoice::Gl {
        let open = move |context: &eframe::CreationContext<'_>| open_with_gl(create, context, name_of(context));
        return eframe::run_native(NAME, native, Box::new(open)).map_err(|error| no_window_of(&error));
    }
    let event_loop = EventLoop::<UserEvent>::with_user_event().build();
    let mut event_loop = event_loop.map_err(|error| no_window(&error.to_string(), DISPLAY_ADVICE))?;
    // Whoever opens the window takes it.
    let create = Rc::new(Cell::new(Some(create)));
    if choice == RendererChoice::Auto {
        let (taken, failed) = (Rc::clone(&create), Rc::new(Cell::new(None)));
        let why = Rc::clone(&failed);
        let open = move |context: &eframe::CreationContext<'_>| {
            let name = name_of(context);
            if is_software(&name) {
                return Err(format!("{name} is software").into());
            }
            let create = taken.take().ok_or("the window is there already")?;
            open_with_gl(create, context, name).inspect_err(|error| why.set(Some(error.to_string())))
        };
        let mut app = eframe::create_native(NAME, native, Box::new(open), &event_loop);
        let ran = event_loop.run_app_on_demand(&mut app).map_err(|error| no_window(&error.to_string(), DISPLAY_ADVICE));
        drop(app);
        if let Some(why) = failed.take() {
            return Err(no_window(&why, NO_ADVICE));
        }
        ran?;
    }
    let Some(create) = create.take() else { return Ok(()) };
    let open = |ctx: &Context| create(ctx, Renderer::Software).map_err(|error| error.to_string());
    software::run(&mut event_loop, viewport, open).map_err(|why| no_window(&why, DISPLAY_ADVICE))
}

/// In the logs of the window system.
const NAME: &str = "camclinic";

fn open_with_gl<'app>(
    create: impl FnOnce(&Context, Renderer) -> io::Result<App>,
    context: &eframe::CreationContext<'_>,
    name: String,
) -> Result<Box<dyn eframe::App + 'app>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Box::new(GlApp(create(&context.egui_ctx, Renderer::Gl(name))?)))
}

/// As the driver calls what paints.
fn name_of(context: &eframe::CreationContext<'_>) -> String {
    let Some(gl) = &context.gl else { return String::new() };
    // SAFETY: a question to a driver whose context is current in this thread, as eframe promises it while the window is made.
    #[expect(unsafe_code, reason = "a call of OpenGL")]
    unsafe {
        gl.get_parameter_string(glow::RENDERER)
    }
}

struct GlApp(App);

impl eframe::App for GlApp {
    fn logic(&mut self, ctx: &Context, _: &mut eframe::Frame) {
        self.0.logic(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.0.ui(ui, frame.info().cpu_usage);
    }

    fn clear_color(&self, _: &egui::Visuals) -> [f32; 4] {
        theme::GROUND.to_normalized_gamma_f32()
    }
}

impl SoftwareApp for App {
    fn logic(&mut self, ctx: &Context) {
        self.logic(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, took: Option<f32>) {
        self.ui(ui, took);
    }
}

const DISPLAY_ADVICE: &str = "Check that the display can be reached (DISPLAY, WAYLAND_DISPLAY) and, on Linux, that these libraries are installed: libxkbcommon-x11, libXcursor, libXi, libXrandr.";
const GL_ADVICE: &str = "OpenGL is missing or too old: leave out --renderer gl, and the window is painted without it.";
const NO_ADVICE: &str = "The commands work without a window: camclinic help";

fn no_window_of(error: &eframe::Error) -> String {
    let advice = match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => DISPLAY_ADVICE,
        eframe::Error::Glutin(_) | eframe::Error::NoGlutinConfigs(..) | eframe::Error::OpenGL(_) => GL_ADVICE,
        eframe::Error::AppCreation(_) => NO_ADVICE,
    };
    no_window(&error.to_string(), advice)
}

/// Why there is no window, and what to do.
fn no_window(why: &str, advice: &str) -> String {
    // winit says this of the systems where a display can be missing at all.
    if why.contains("DISPLAY is set") {
        return "There is no display: neither DISPLAY nor WAYLAND_DISPLAY is set, so the window cannot be opened. Log in at \
                a desktop, use a command (camclinic help), or run it under Xvfb: xvfb-run camclinic --screenshot picture.png"
            .to_owned();
    }
    // The place in the library's source says nothing to a user.
    let why = why.rsplit_once(".rs:").and_then(|(_, rest)| rest.split_once(": ")).map_or(why, |(_, why)| why);
    format!("The window cannot be opened: {} {advice}", text::sentence(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_is_known_by_its_name() {
        #[track_caller]
        fn check(name: &str, expected: bool) {
            assert_eq!(is_software(name), expected, "{name}");
        }
        check("llvmpipe (LLVM 15.0.6, 256 bits)", true);
        check("softpipe", true);
        check("Software Rasterizer", true);
        check("Google SwiftShader", true);
        check("GDI Generic", true);
        check("D3D12 (Microsoft Basic Render Driver)", true);
        check("Apple Software Renderer", true);
        check("Mesa Intel(R) UHD Graphics 620 (KBL GT2)", false);
        check("NVIDIA GeForce GTX 1050/PCIe/SSE2", false);
        check("virgl (AMD Radeon)", false);
        check("Apple M2", false);
        check("", false);
    }
}
