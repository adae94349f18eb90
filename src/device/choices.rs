//! What a device can be asked for, and why it gives something else: pure, from what it says that it can do.

use crate::device::Capabilities;
use crate::device::capabilities::{Format, FrameSize};
use crate::frame::{PixelFormat, Size};
use crate::status::{Asked, Got};

/// Rates that are offered where a device takes any, or does not say which.
pub const COMMON_RATES: [f64; 10] = [120.0, 60.0, 50.0, 30.0, 25.0, 24.0, 20.0, 15.0, 10.0, 5.0];
/// The same of sizes.
const COMMON_SIZES: [(u32, u32); 10] = [
    (160, 120),
    (320, 240),
    (640, 480),
    (800, 600),
    (1024, 768),
    (1280, 720),
    (1920, 1080),
    (2560, 1440),
    (2592, 1944),
    (3840, 2160),
];
/// Rates that differ by less are the same: drivers round 29.97 to 30.
const SAME_RATE: f64 = 0.01;

/// A change of what is asked for, after which the device can give it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RequestFix {
    Format(PixelFormat),
    Size(Size),
    Rate(f64),
    /// The format is left to the device.
    AnyFormat,
}

/// What a device is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BestChoice {
    pub format: PixelFormat,
    pub size: Size,
    pub fps: f64,
}

/// What is asked of a camera where the user leaves it open: what OpenCV asks for, so that all show the same picture.
pub const DEFAULT_SIZE: Size = Size { width: 640, height: 480 };
pub const DEFAULT_FPS: f64 = 30.0;

/// Why a device gives something else than it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// A sentence.
    pub words: String,
    pub fix: Option<RequestFix>,
}

impl RequestFix {
    pub fn apply(self, asked: &mut Asked) {
        match self {
            Self::Format(format) => asked.format = Some(format),
            Self::Size(size) => asked.size = Some(size),
            Self::Rate(fps) => asked.fps = Some(fps),
            Self::AnyFormat => asked.format = None,
        }
    }
}

/// What is offered where a device does not say which sizes it has.
pub fn common_sizes() -> impl Iterator<Item = Size> {
    COMMON_SIZES.iter().filter_map(|(width, height)| Size::new(*width, *height))
}

fn is_same_rate(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME_RATE * a.max(b)
}

fn code_of(format: &Format) -> Option<PixelFormat> {
    PixelFormat::try_from(format.fourcc.clone()).ok()
}

impl FrameSize {
    fn size(&self) -> Option<Size> {
        Size::new(self.width, self.height)
    }

    /// Whether it is this size, or one in its range.
    fn holds(&self, size: Size) -> bool {
        let fits = |value: u32, min: u32, max: u32, step: u32| {
            (min..=max).contains(&value) && value.checked_sub(min).is_some_and(|over| over.is_multiple_of(step.max(1)))
        };
        match self.range {
            None => self.size() == Some(size),
            Some(range) => {
                fits(size.width, range.min_width, self.width, range.step_width)
                    && fits(size.height, range.min_height, self.height, range.step_height)
            }
        }
    }

    fn sizes(&self) -> Vec<Size> {
        if self.range.is_none() {
            return self.size().into_iter().collect();
        }
        common_sizes().filter(|size| self.holds(*size)).chain(self.size()).collect()
    }

    /// The one of its sizes that differs least.
    fn nearest(&self, wanted: Size) -> Option<Size> {
        let Some(range) = self.range else { return self.size() };
        let fit = |wanted: u32, min: u32, max: u32, step: u32| {
            let over = wanted.clamp(min.min(max), max) - min.min(max);
            min.min(max) + over / step.max(1) * step.max(1)
        };
        let width = fit(wanted.width, range.min_width, self.width, range.step_width);
        Size::new(width, fit(wanted.height, range.min_height, self.height, range.step_height))
    }

    /// The same of its rates. `None` where it does not tell any.
    fn nearest_rate(&self, wanted: f64) -> Option<f64> {
        let (most, least) = (*self.rates.first()?, *self.rates.last()?);
        if self.is_any_rate_between && least <= most {
            return Some(wanted.clamp(least, most));
        }
        self.rates.iter().copied().min_by(|a, b| (a - wanted).abs().total_cmp(&(b - wanted).abs()))
    }

    fn rates(&self) -> Vec<f64> {
        match (self.is_any_rate_between, self.rates.first(), self.rates.last()) {
            (true, Some(most), Some(least)) => {
                let common = COMMON_RATES.iter().copied().filter(|fps| (*least..=*most).contains(fps));
                std::iter::once(*most).chain(common).collect()
            }
            _ => self.rates.clone(),
        }
    }
}

impl Capabilities {
    /// The formats by their codes, those that every program knows first.
    #[must_use]
    pub fn format_codes(&self) -> Vec<PixelFormat> {
        let mut codes = Vec::new();
        for code in self.formats.iter().filter_map(code_of) {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        codes.sort_by_key(|code| {
            PixelFormat::COMMON.iter().position(|common| common == code).unwrap_or(PixelFormat::COMMON.len())
        });
        codes
    }

    fn entries(&self, format: Option<PixelFormat>) -> impl Iterator<Item = &FrameSize> {
        let is_meant = move |entry: &&Format| format.is_none() || code_of(entry) == format;
        self.formats.iter().filter(is_meant).flat_map(|format| &format.sizes)
    }

    /// The sizes that it has with a format, or with any; from small to large.
    #[must_use]
    pub fn sizes(&self, format: Option<PixelFormat>) -> Vec<Size> {
        let mut sizes: Vec<_> = self.entries(format).flat_map(FrameSize::sizes).collect();
        sizes.sort_by_key(|size| (u64::from(size.width) * u64::from(size.height), size.width));
        sizes.dedup();
        sizes
    }

    /// Whether it has that size with a format, or with any.
    #[must_use]
    pub fn has_size(&self, format: Option<PixelFormat>, size: Size) -> bool {
        self.entries(format).any(|entry| entry.holds(size))
    }

    /// The rates that it has with a format and a size, or with any; from fast to slow.
    #[must_use]
    pub fn rates(&self, format: Option<PixelFormat>, size: Option<Size>) -> Vec<f64> {
        let entries = self.entries(format).filter(|entry| size.is_none_or(|size| entry.holds(size)));
        let mut rates: Vec<_> = entries.flat_map(FrameSize::rates).collect();
        rates.sort_by(|a, b| b.total_cmp(a));
        rates.dedup_by(|a, b| is_same_rate(*a, *b));
        rates
    }

    /// What comes nearest to what is asked: the format if it is there, then the size, then the rate; among equals what the system
    /// does not make of another format, and then that with the lowest `preference`. Those without any are left out.
    #[must_use]
    pub fn best(&self, asked: &Asked, preference: impl Fn(PixelFormat) -> Option<usize>) -> Option<BestChoice> {
        let (size, fps) = (asked.size.unwrap_or(DEFAULT_SIZE), asked.fps.unwrap_or(DEFAULT_FPS));
        let mut best: Option<(_, f64, _, BestChoice)> = None;
        for entry in &self.formats {
            let Some((format, rank)) = code_of(entry).and_then(|code| Some((code, preference(code)?))) else {
                continue;
            };
            let is_other = asked.format.is_some_and(|asked| asked != format);
            // Some drivers do not list sizes, and take any.
            let sizes = entry
                .sizes
                .iter()
                .filter_map(|offered| Some((offered.nearest(size)?, offered.nearest_rate(fps).unwrap_or(fps))));
            let sizes = sizes.chain(entry.sizes.is_empty().then_some((size, fps)));
            for (offered, rate) in sizes {
                let sides = offered.width.abs_diff(size.width) + offered.height.abs_diff(size.height);
                let lacks = if is_same_rate(rate, fps) { 0.0 } else { (fps - rate).max(0.0) };
                let (first, last) = ((is_other, sides), (entry.is_emulated, rank));
                let is_better = best.as_ref().is_none_or(|(best_first, best_lacks, best_last, _)| {
                    first.cmp(best_first).then(lacks.total_cmp(best_lacks)).then(last.cmp(best_last)).is_lt()
                });
                if is_better {
                    best = Some((first, lacks, last, BestChoice { format, size: offered, fps: rate }));
                }
            }
        }
        best.map(|(.., choice)| choice)
    }

    fn most_fps(&self, format: PixelFormat, size: Size) -> f64 {
        self.rates(Some(format), Some(size)).first().copied().unwrap_or_default()
    }

    /// Why what was got is not what was asked, as far as the device's own list tells. Empty where it is, and where the
    /// device changed it without a reason that anybody could see.
    #[must_use]
    pub fn why_other(&self, asked: &Asked, got: &Got) -> Vec<Reason> {
        let reasons =
            [self.why_other_format(asked, got), self.why_other_size(asked, got), self.why_other_rate(asked, got)];
        reasons.into_iter().flatten().collect()
    }

    fn why_other_format(&self, asked: &Asked, got: &Got) -> Option<Reason> {
        let format = asked.format.filter(|format| got.format.is_some_and(|got| got != *format))?;
        let codes = self.format_codes();
        if codes.is_empty() || codes.contains(&format) {
            return None;
        }
        let has = codes.iter().take(4).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Some(Reason { words: format!("The camera has no {format}. It has {has}."), fix: Some(RequestFix::AnyFormat) })
    }

    fn why_other_size(&self, asked: &Asked, got: &Got) -> Option<Reason> {
        let size = asked.size.filter(|size| got.size.is_some_and(|got| got != *size))?;
        let format = asked.format.or(got.format);
        if self.formats.is_empty() || self.has_size(format, size) {
            return None;
        }
        let other = self.format_codes().into_iter().find(|code| self.has_size(Some(*code), size));
        Some(match (other, format) {
            (Some(other), Some(format)) => Reason {
                words: format!("With {format} the camera has no {}; with {other} it has.", spelled(size)),
                fix: Some(RequestFix::Format(other)),
            },
            _ => Reason {
                words: format!("The camera has no {}.", spelled(size)),
                fix: self.nearest_size(format, size).map(RequestFix::Size),
            },
        })
    }

    /// Whether there are sizes besides those in the list.
    #[must_use]
    pub fn takes_any_size(&self) -> bool {
        self.entries(None).any(|entry| entry.range.is_some())
    }

    /// Whether there are rates besides those in the list.
    #[must_use]
    pub fn takes_any_rate_somewhere(&self) -> bool {
        self.entries(None).any(|entry| entry.is_any_rate_between)
    }

    /// The size that it has with a format, or with any, and that differs least.
    #[must_use]
    pub fn nearest_size(&self, format: Option<PixelFormat>, wanted: Size) -> Option<Size> {
        let distance = |size: &Size| size.width.abs_diff(wanted.width) + size.height.abs_diff(wanted.height);
        self.sizes(format).into_iter().min_by_key(distance)
    }

    fn why_other_rate(&self, asked: &Asked, got: &Got) -> Option<Reason> {
        let (wanted, got_fps) = (asked.fps?, got.fps?);
        let (format, size) = (got.format?, got.size?);
        if is_same_rate(wanted, got_fps) {
            return None;
        }
        let rates = self.rates(Some(format), Some(size));
        let most = *rates.first()?;
        let at = format!("{format} at {}", spelled(size));
        if wanted <= most * (1.0 + SAME_RATE) {
            // A rate that is on the list and was changed all the same has no reason that the list knows.
            let nearest = *rates.iter().min_by(|a, b| (*a - wanted).abs().total_cmp(&(*b - wanted).abs()))?;
            let is_listed = is_same_rate(nearest, wanted) || self.takes_any_rate(format, size);
            let words =
                format!("{at} comes with {} fps and others, not with {}.", spelled_rate(nearest), spelled_rate(wanted));
            return (!is_listed).then_some(Reason { words, fix: Some(RequestFix::Rate(nearest)) });
        }
        let limit = format!("{at} comes with at most {} fps", spelled_rate(most));
        let faster = self.format_codes().into_iter().map(|code| (code, self.most_fps(code, size)));
        // The best of those that are much better.
        let faster =
            faster.filter(|(_, fps)| *fps > most * 1.2).max_by(|a, b| a.1.min(wanted).total_cmp(&b.1.min(wanted)));
        if let Some((other, fps)) = faster {
            let words = format!("{limit}; {other} comes with {}.", spelled_rate(fps));
            return Some(Reason { words, fix: Some(RequestFix::Format(other)) });
        }
        let sizes = self.sizes(Some(format));
        let smaller = sizes.into_iter().rev().find(|size| self.most_fps(format, *size) * (1.0 + SAME_RATE) >= wanted);
        Some(match smaller {
            Some(smaller) => Reason {
                words: format!("{limit}; {} comes with {}.", spelled(smaller), spelled_rate(wanted)),
                fix: Some(RequestFix::Size(smaller)),
            },
            None => Reason { words: format!("{limit}."), fix: Some(RequestFix::Rate(most)) },
        })
    }

    fn takes_any_rate(&self, format: PixelFormat, size: Size) -> bool {
        self.entries(Some(format)).any(|entry| entry.holds(size) && entry.is_any_rate_between)
    }
}

fn spelled(size: Size) -> String {
    // It stays on one line.
    format!("{}\u{a0}×\u{a0}{}", size.width, size.height)
}

fn spelled_rate(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::capabilities::SizeRange;

    /// A format as `640x480@30,15 1280x720@10`; `*` behind the rates means any between them.
    fn format(fourcc: &str, sizes: &str) -> Format {
        let sizes = sizes.split(' ').map(|text| {
            let (size, rates) = text.split_once('@').unwrap();
            let size: Size = size.parse().unwrap();
            let (rates, is_any_rate_between) = rates.strip_suffix('*').map_or((rates, false), |rates| (rates, true));
            let rates = rates.split(',').map(|rate| rate.parse().unwrap()).collect();
            FrameSize { width: size.width, height: size.height, range: None, rates, is_any_rate_between }
        });
        Format { fourcc: fourcc.into(), sizes: sizes.collect(), ..Format::default() }
    }

    /// As most webcams are.
    fn webcam() -> Capabilities {
        let formats = vec![
            format("YUYV", "640x480@30,25,15 1280x720@10 1920x1080@5"),
            format("MJPG", "640x480@30 1280x720@60,30 1920x1080@30 2560x1440@30"),
            format("Y16", "640x480@30"),
        ];
        Capabilities { formats, ..Capabilities::default() }
    }

    fn any_size() -> Capabilities {
        let range = SizeRange { min_width: 320, min_height: 180, step_width: 2, step_height: 2 };
        let size = FrameSize {
            width: 1921,
            height: 1200,
            range: Some(range),
            rates: vec![60.0, 1.0],
            is_any_rate_between: true,
        };
        let format = Format { fourcc: "YUYV".into(), sizes: vec![size], ..Format::default() };
        Capabilities { formats: vec![format], ..Capabilities::default() }
    }

    fn code(text: &str) -> Option<PixelFormat> {
        (!text.is_empty()).then(|| PixelFormat::try_from(text.to_owned()).unwrap())
    }

    fn size(text: &str) -> Option<Size> {
        text.parse().ok()
    }

    #[track_caller]
    fn check_sizes(capabilities: &Capabilities, format: &str, expected: &str) {
        let sizes: Vec<_> = capabilities.sizes(code(format)).iter().map(ToString::to_string).collect();
        assert_eq!(sizes.join(" "), expected, "{format}");
    }

    #[track_caller]
    fn check_rates(capabilities: &Capabilities, format: &str, of_size: &str, expected: &[f64]) {
        assert_eq!(capabilities.rates(code(format), size(of_size)), expected, "{format} {of_size}");
    }

    #[test]
    fn only_what_the_device_has_is_offered() {
        let codes: Vec<_> = webcam().format_codes().iter().map(ToString::to_string).collect();
        assert_eq!(codes, ["MJPG", "YUYV", "Y16"]);
        check_sizes(&webcam(), "YUYV", "640x480 1280x720 1920x1080");
        check_sizes(&webcam(), "", "640x480 1280x720 1920x1080 2560x1440");
        check_sizes(&webcam(), "NV12", "");
        check_rates(&webcam(), "YUYV", "640x480", &[30.0, 25.0, 15.0]);
        check_rates(&webcam(), "", "1280x720", &[60.0, 30.0, 10.0]);
        check_rates(&webcam(), "YUYV", "2560x1440", &[]);
        check_sizes(&any_size(), "", "320x240 640x480 800x600 1024x768 1280x720 1920x1080 1921x1200");
        check_rates(&any_size(), "YUYV", "640x480", &[60.0, 50.0, 30.0, 25.0, 24.0, 20.0, 15.0, 10.0, 5.0]);
        check_rates(&any_size(), "YUYV", "641x480", &[]);
    }

    /// `asked` as `YUYV 640x480 30`, `-` for nothing. YUYV is liked best, then MJPG; Y16 cannot be shown.
    #[track_caller]
    fn check_best(capabilities: &Capabilities, asked: &str, expected: &str) {
        let parts: Vec<_> = asked.split(' ').map(|part| if part == "-" { "" } else { part }).collect();
        let asked_for =
            Asked { format: code(parts[0]), size: size(parts[1]), fps: parts[2].parse().ok(), n_buffers: None };
        let order = ["YUYV", "MJPG"];
        let best = capabilities.best(&asked_for, |format| order.iter().position(|code| *code == format.to_string()));
        let best = best.map(|best| format!("{} {} {}", best.format, best.size, best.fps));
        assert_eq!(best.unwrap_or_default(), expected, "{asked}");
    }

    #[test]
    fn the_nearest_is_chosen() {
        let cam = webcam();
        check_best(&cam, "- - -", "YUYV 640x480 30");
        check_best(&cam, "- 1280x720 -", "MJPG 1280x720 30");
        check_best(&cam, "- 1280x720 10", "YUYV 1280x720 10");
        check_best(&cam, "- 1280x720 60", "MJPG 1280x720 60");
        check_best(&cam, "YUYV 1920x1080 30", "YUYV 1920x1080 5");
        check_best(&cam, "MJPG 640x480 30", "MJPG 640x480 30");
        check_best(&cam, "- 2560x1440 5", "MJPG 2560x1440 30");
        check_best(&cam, "- 600x400 29.97", "YUYV 640x480 30");
        check_best(&cam, "Y16 640x480 30", "YUYV 640x480 30");
        check_best(&cam, "NV12 640x480 17", "MJPG 640x480 30");
        check_best(&any_size(), "- 641x480 7", "YUYV 640x480 7");
        check_best(&any_size(), "- 9000x9000 600", "YUYV 1920x1200 60");
        check_best(&any_size(), "- 1x1 30", "YUYV 320x180 30");
        check_best(
            &Capabilities { formats: vec![format("Y16", "640x480@30")], ..Capabilities::default() },
            "- - -",
            "",
        );
        let silent = Format { fourcc: "YUYV".into(), ..Format::default() };
        let emulated = Format { fourcc: "YUYV".into(), is_emulated: true, ..Format::default() };
        let mjpg = Format { fourcc: "MJPG".into(), ..Format::default() };
        let of = |formats| Capabilities { formats, ..Capabilities::default() };
        check_best(&of(vec![mjpg.clone(), silent]), "- 800x600 -", "YUYV 800x600 30");
        check_best(&of(vec![emulated, mjpg]), "- 800x600 -", "MJPG 800x600 30");
        check_best(&Capabilities::default(), "- - -", "");
    }

    /// `asked` and `got` as `YUYV 640x480 30`, `-` for nothing.
    #[track_caller]
    fn check(capabilities: &Capabilities, asked: &str, got: &str, expected: &[(&str, Option<RequestFix>)]) {
        let parse = |text: &str| {
            let parts: Vec<_> = text.split(' ').map(|part| if part == "-" { "" } else { part }).collect();
            (code(parts[0]), size(parts[1]), parts[2].parse().ok())
        };
        let (format, size, fps) = parse(asked);
        let asked_for = Asked { format, size, fps, n_buffers: None };
        let (format, size, fps) = parse(got);
        let given = Got { format, size, fps, n_buffers: None };
        let reasons = capabilities.why_other(&asked_for, &given);
        let reasons: Vec<_> = reasons.iter().map(|reason| (reason.words.replace('\u{a0}', ""), reason.fix)).collect();
        let expected: Vec<_> = expected.iter().map(|(words, fix)| ((*words).to_owned(), *fix)).collect();
        assert_eq!(reasons, expected, "{asked} → {got}");
    }

    #[test]
    fn what_is_given_in_place_of_what_was_asked_has_a_reason() {
        let cam = webcam();
        check(&cam, "- 640x480 30", "YUYV 640x480 30", &[]);
        check(&cam, "- - 30", "YUYV 640x480 29.97", &[]);
        check(
            &cam,
            "YUYV 1920x1080 30",
            "YUYV 1920x1080 5",
            &[(
                "YUYV at 1920×1080 comes with at most 5 fps; MJPG comes with 30.",
                code("MJPG").map(RequestFix::Format),
            )],
        );
        check(
            &cam,
            "MJPG 1920x1080 60",
            "MJPG 1920x1080 30",
            &[(
                "MJPG at 1920×1080 comes with at most 30 fps; 1280×720 comes with 60.",
                size("1280x720").map(RequestFix::Size),
            )],
        );
        check(
            &cam,
            "MJPG 640x480 90",
            "MJPG 640x480 30",
            &[("MJPG at 640×480 comes with at most 30 fps.", Some(RequestFix::Rate(30.0)))],
        );
        check(
            &cam,
            "YUYV 640x480 20",
            "YUYV 640x480 25",
            &[("YUYV at 640×480 comes with 25 fps and others, not with 20.", Some(RequestFix::Rate(25.0)))],
        );
        // Nothing in the list is against it.
        check(&cam, "YUYV 640x480 30", "YUYV 640x480 15", &[]);
        check(&any_size(), "YUYV 640x480 7", "YUYV 640x480 30", &[]);
        check(
            &cam,
            "YUYV 2560x1440 -",
            "YUYV 1920x1080 5",
            &[("With YUYV the camera has no 2560×1440; with MJPG it has.", code("MJPG").map(RequestFix::Format))],
        );
        check(
            &cam,
            "- 700x500 -",
            "YUYV 640x480 30",
            &[("The camera has no 700×500.", size("640x480").map(RequestFix::Size))],
        );
        check(
            &cam,
            "NV12 640x480 -",
            "YUYV 640x480 30",
            &[("The camera has no NV12. It has MJPG, YUYV, Y16.", Some(RequestFix::AnyFormat))],
        );
        check(&Capabilities::default(), "NV12 640x480 30", "YUYV 320x240 5", &[]);
    }

    #[test]
    fn a_fix_changes_the_wish() {
        let mut asked = Asked { format: code("NV12"), ..Asked::default() };
        RequestFix::AnyFormat.apply(&mut asked);
        RequestFix::Rate(25.0).apply(&mut asked);
        size("640x480").map(RequestFix::Size).unwrap().apply(&mut asked);
        assert_eq!(asked, Asked { size: size("640x480"), fps: Some(25.0), ..Asked::default() });
        code("MJPG").map(RequestFix::Format).unwrap().apply(&mut asked);
        assert_eq!(asked.format, code("MJPG"));
    }
}
