//! Fonts, colours and measures of the window, for dark and for light.

use std::sync::Arc;

use egui::{Color32, CornerRadius, FontFamily, FontId, Margin, Stroke, TextStyle, vec2};

use crate::event::Level;
use crate::settings::Theme;
use crate::status::{Grade, State, Status};

/// What is seen where nothing is drawn.
pub const GROUND: Color32 = Color32::from_rgb(0x0b, 0x0c, 0x0e);
/// Height of buttons, combo boxes and number fields.
pub const CONTROL_HEIGHT: f32 = 28.0;
/// Corner radius of controls.
pub const RADIUS: u8 = 6;
/// Text size of labels and controls, in points.
pub const BODY: f32 = 13.5;
/// Text size of the quiet things: log, chips, hints.
pub const SMALL: f32 = 12.5;

/// The colours of one theme. Text colours reach a contrast of 4.5 on the surfaces they stand on.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Behind the picture.
    pub stage: Color32,
    /// Toolbar, inspector, status line.
    pub panel: Color32,
    /// Plot and log: a shade quieter than the panels.
    pub low: Color32,
    /// Buttons.
    pub raised: Color32,
    pub raised_hover: Color32,
    /// Fields that hold a value.
    pub sunken: Color32,
    pub line: Color32,
    /// Edges of controls.
    pub edge: Color32,
    pub text: Color32,
    pub text_strong: Color32,
    /// Beside a control.
    pub text_label: Color32,
    pub text_weak: Color32,
    pub handle: Color32,
    pub accent: Color32,
    pub on_accent: Color32,
    /// Chosen chips and rows.
    pub chosen: Color32,
    pub on_chosen: Color32,
    pub good: Color32,
    pub good_surface: Color32,
    pub warning: Color32,
    pub warning_surface: Color32,
    pub error: Color32,
    pub error_surface: Color32,
    pub info: Color32,
    pub curve: Color32,
    /// Share of a grade's colour in its band of the plot.
    pub band_strength: f32,
}

const DARK: Palette = Palette {
    stage: Color32::from_rgb(0x0b, 0x0c, 0x0e),
    panel: Color32::from_rgb(0x1b, 0x1e, 0x23),
    low: Color32::from_rgb(0x18, 0x1a, 0x1f),
    raised: Color32::from_rgb(0x26, 0x2a, 0x31),
    raised_hover: Color32::from_rgb(0x30, 0x35, 0x3e),
    sunken: Color32::from_rgb(0x11, 0x13, 0x17),
    line: Color32::from_rgb(0x2a, 0x2e, 0x35),
    edge: Color32::from_rgb(0x34, 0x39, 0x41),
    text: Color32::from_rgb(0xd5, 0xd9, 0xdf),
    text_strong: Color32::from_rgb(0xf2, 0xf4, 0xf7),
    text_label: Color32::from_rgb(0xb4, 0xba, 0xc3),
    text_weak: Color32::from_rgb(0x94, 0x9b, 0xa6),
    handle: Color32::from_rgb(0xd5, 0xd9, 0xdf),
    accent: Color32::from_rgb(0x2f, 0x6f, 0xeb),
    on_accent: Color32::WHITE,
    chosen: Color32::from_rgb(0x24, 0x40, 0x6f),
    on_chosen: Color32::from_rgb(0xdc, 0xe8, 0xff),
    good: Color32::from_rgb(0x5b, 0xd6, 0x8a),
    good_surface: Color32::from_rgb(0x12, 0x2e, 0x1e),
    warning: Color32::from_rgb(0xf0, 0xb2, 0x4a),
    warning_surface: Color32::from_rgb(0x37, 0x2a, 0x0a),
    error: Color32::from_rgb(0xff, 0x7b, 0x7b),
    error_surface: Color32::from_rgb(0x3c, 0x16, 0x18),
    info: Color32::from_rgb(0x7f, 0xb2, 0xff),
    curve: Color32::from_rgb(0x7f, 0xb2, 0xff),
    band_strength: 0.055,
};

const LIGHT: Palette = Palette {
    stage: Color32::from_rgb(0x15, 0x17, 0x1b),
    panel: Color32::from_rgb(0xf5, 0xf6, 0xf8),
    low: Color32::from_rgb(0xfb, 0xfc, 0xfd),
    raised: Color32::from_rgb(0xff, 0xff, 0xff),
    raised_hover: Color32::from_rgb(0xe9, 0xed, 0xf3),
    sunken: Color32::from_rgb(0xff, 0xff, 0xff),
    line: Color32::from_rgb(0xdc, 0xe0, 0xe6),
    edge: Color32::from_rgb(0xc6, 0xcc, 0xd5),
    text: Color32::from_rgb(0x2a, 0x2f, 0x37),
    text_strong: Color32::from_rgb(0x10, 0x14, 0x1a),
    text_label: Color32::from_rgb(0x3c, 0x44, 0x50),
    text_weak: Color32::from_rgb(0x5c, 0x65, 0x72),
    handle: Color32::from_rgb(0x5c, 0x65, 0x72),
    accent: Color32::from_rgb(0x1f, 0x5f, 0xe0),
    on_accent: Color32::WHITE,
    chosen: Color32::from_rgb(0xd3, 0xe2, 0xff),
    on_chosen: Color32::from_rgb(0x10, 0x3c, 0x96),
    good: Color32::from_rgb(0x0f, 0x7a, 0x41),
    good_surface: Color32::from_rgb(0xda, 0xf3, 0xe4),
    warning: Color32::from_rgb(0x8f, 0x5a, 0x00),
    warning_surface: Color32::from_rgb(0xff, 0xf0, 0xcc),
    error: Color32::from_rgb(0xb4, 0x23, 0x2a),
    error_surface: Color32::from_rgb(0xff, 0xe0, 0xe0),
    info: Color32::from_rgb(0x1f, 0x5f, 0xe0),
    curve: Color32::from_rgb(0x1f, 0x5f, 0xe0),
    band_strength: 0.075,
};

impl Palette {
    /// The colours that fit what is being drawn.
    #[must_use]
    pub fn of(ui: &egui::Ui) -> Self {
        if ui.visuals().dark_mode { DARK } else { LIGHT }
    }

    /// What is painted over the picture keeps its colours: pictures are neither dark nor light.
    #[must_use]
    pub fn over_picture() -> Self {
        DARK
    }

    #[must_use]
    pub fn grade(&self, grade: Grade) -> Color32 {
        match grade {
            Grade::Excellent => self.good,
            // Between green and amber, so that the four bands differ.
            Grade::Good => mix(self.good, self.warning, 0.45),
            Grade::Warning => self.warning,
            Grade::Critical => self.error,
        }
    }

    #[must_use]
    pub fn level(&self, level: Level) -> Color32 {
        match level {
            Level::Debug => self.text_weak,
            Level::Info => self.info,
            Level::Good => self.good,
            Level::Warning => self.warning,
            Level::Error => self.error,
        }
    }
}

/// The colour of a camera's state: of its grade, once it has one.
#[must_use]
pub fn state_color(palette: &Palette, status: Option<&Status>) -> Color32 {
    match status {
        None => palette.text_weak,
        Some(status) => match status.state {
            State::Idle => palette.text_weak,
            State::Opening => palette.info,
            State::Streaming | State::Recovering | State::Failed => {
                status.grade.map_or(palette.info, |grade| palette.grade(grade))
            }
        },
    }
}

/// `share` of `b` in `a`.
#[must_use]
pub fn mix(a: Color32, b: Color32, share: f32) -> Color32 {
    a.lerp_to_gamma(b, share)
}

/// The family of headings and of what must be seen first.
#[must_use]
pub fn semibold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("semibold".into()))
}

#[must_use]
pub fn regular(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Installs fonts and both styles. To be called once, before the first pass.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.set_style_of(
        egui::Theme::Dark,
        style(&DARK, egui::Style { visuals: egui::Visuals::dark(), ..Default::default() }),
    );
    ctx.set_style_of(
        egui::Theme::Light,
        style(&LIGHT, egui::Style { visuals: egui::Visuals::light(), ..Default::default() }),
    );
}

/// Follows the user's choice of theme and scale.
pub fn follow(ctx: &egui::Context, theme: Theme, scale_percent: u32) {
    let wanted = match theme {
        Theme::System => egui::ThemePreference::System,
        Theme::Dark => egui::ThemePreference::Dark,
        Theme::Light => egui::ThemePreference::Light,
    };
    if ctx.options(|options| options.theme_preference) != wanted {
        ctx.set_theme(wanted);
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
    let zoom = scale_percent.clamp(50, 300) as f32 / 100.0;
    if (ctx.zoom_factor() - zoom).abs() > f32::EPSILON {
        ctx.set_zoom_factor(zoom);
    }
}

/// Inter, with digits that are all equally wide so that nothing moves when a number changes; egui's own fonts for
/// the signs that Inter lacks.
fn fonts() -> egui::FontDefinitions {
    let mut fonts = egui::FontDefinitions::default();
    let files: [(&str, &'static [u8]); 4] = [
        ("digits", include_bytes!("../../assets/fonts/Digits-Regular.otf")),
        ("inter", include_bytes!("../../assets/fonts/Inter-Regular.otf")),
        ("digits-semibold", include_bytes!("../../assets/fonts/Digits-SemiBold.otf")),
        ("inter-semibold", include_bytes!("../../assets/fonts/Inter-SemiBold.otf")),
    ];
    for (name, bytes) in files {
        // Between groups of digits; half a space, egui's own measure, is hard to see in Inter.
        let tweak = egui::FontTweak { thin_space_width: 0.75, ..Default::default() };
        fonts.font_data.insert(name.to_owned(), Arc::new(egui::FontData::from_static(bytes).tweak(tweak)));
    }
    let fallback = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let chain = |first: [&str; 2]| first.iter().map(|name| (*name).to_owned()).chain(fallback.clone()).collect();
    fonts.families.insert(FontFamily::Proportional, chain(["digits", "inter"]));
    fonts.families.insert(FontFamily::Name("semibold".into()), chain(["digits-semibold", "inter-semibold"]));
    fonts
}

fn style(palette: &Palette, mut style: egui::Style) -> egui::Style {
    style.text_styles = [
        (TextStyle::Small, regular(SMALL)),
        (TextStyle::Body, regular(BODY)),
        (TextStyle::Button, regular(BODY)),
        (TextStyle::Heading, semibold(16.0)),
        (TextStyle::Monospace, FontId::new(SMALL, FontFamily::Monospace)),
    ]
    .into();
    style.drag_value_text_style = TextStyle::Body;
    // Short: what moves on its own takes the eye off the picture.
    style.animation_time = 0.06;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.4;
    style.explanation_tooltips = false;

    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 6.0);
    spacing.button_padding = vec2(10.0, 4.0);
    spacing.interact_size = vec2(40.0, CONTROL_HEIGHT);
    spacing.slider_rail_height = 4.0;
    spacing.combo_height = 420.0;
    spacing.tooltip_width = 320.0;
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(18);
    spacing.icon_width = 16.0;
    spacing.icon_width_inner = 9.0;
    spacing.scroll = egui::style::ScrollStyle { bar_width: 8.0, ..egui::style::ScrollStyle::floating() };

    let visuals = &mut style.visuals;
    visuals.panel_fill = palette.panel;
    visuals.window_fill = palette.panel;
    visuals.window_stroke = Stroke::new(1.0, palette.edge);
    visuals.window_corner_radius = CornerRadius::same(10);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.extreme_bg_color = palette.sunken;
    visuals.text_edit_bg_color = Some(palette.sunken);
    visuals.faint_bg_color = palette.low;
    visuals.weak_text_color = Some(palette.text_weak);
    visuals.warn_fg_color = palette.warning;
    visuals.error_fg_color = palette.error;
    visuals.hyperlink_color = palette.info;
    visuals.selection.bg_fill = palette.accent;
    visuals.selection.stroke = Stroke::new(1.0, palette.on_accent);
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.interact_cursor = None;
    let widgets = &mut visuals.widgets;
    for (widget, fill, edge, text) in [
        (&mut widgets.noninteractive, palette.panel, palette.line, palette.text),
        (&mut widgets.inactive, palette.raised, palette.edge, palette.text),
        (&mut widgets.hovered, palette.raised_hover, palette.text_weak, palette.text_strong),
        (&mut widgets.active, palette.raised_hover, palette.accent, palette.text_strong),
        (&mut widgets.open, palette.raised_hover, palette.edge, palette.text_strong),
    ] {
        widget.weak_bg_fill = fill;
        widget.bg_fill = fill;
        widget.bg_stroke = Stroke::new(1.0, edge);
        widget.fg_stroke = Stroke::new(1.0, text);
        widget.corner_radius = CornerRadius::same(RADIUS);
        widget.expansion = 0.0;
    }
    style
}
