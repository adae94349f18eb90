//! A room in which nothing moves, by day and in the evening: what most cameras look at most of the time.

use crate::frame::Size;

/// Blue, green, red, 0 to 255.
type Bgr = [f32; 3];

/// Left, top, right, bottom, as shares of width and height.
type Area = [f32; 4];

const PANE: Area = [0.08, 0.12, 0.34, 0.50];
const SHELF: Area = [0.72, 0.30, 0.96, 0.66];
const TABLE: Area = [0.40, 0.60, 0.68, 0.63];
/// Middle and radius: a hanging lamp and a lamp on the table.
const LAMPS: [[f32; 3]; 2] = [[0.53, 0.16, 0.035], [0.63, 0.55, 0.022]];
/// The light of the room in the evening, as a share of that by day.
const EVENING: f32 = 0.11;

/// By day, the light from the window.
pub fn day(size: Size) -> Vec<u8> {
    draw(size, |x, y| {
        let light = 1.06 - 0.3 * x;
        surface(x, y).map(|channel| channel * light)
    })
}

/// In the evening: dim but for its lamps, and nothing wrong with it.
pub fn evening(size: Size) -> Vec<u8> {
    let ratio = size.width as f32 / size.height as f32;
    draw(size, |x, y| {
        let glow: f32 = LAMPS.iter().map(|lamp| lamplight(x, y, *lamp, ratio)).sum();
        if glow >= 1.0 {
            return [225.0, 240.0, 248.0];
        }
        // Light bulbs are warm, and so is what they light.
        let [b, g, r] = surface(x, y);
        let light = EVENING + glow * 0.5;
        let [b, g, r] = [b * light * 0.85, g * light * 0.97, r * light * 1.06];
        if is_in(x, y, PANE) { [b * 0.3, g * 0.2, r * 0.15] } else { [b, g, r] }
    })
}

/// 1 in the lamp, less around it.
fn lamplight(x: f32, y: f32, [middle_x, middle_y, radius]: [f32; 3], ratio: f32) -> f32 {
    let away = ((x - middle_x) * ratio).hypot(y - middle_y) / radius;
    if away <= 1.0 { 1.0 } else { 0.9 / (away * away) }
}

fn draw(size: Size, colour: impl Fn(f32, f32) -> Bgr) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(size.n_bytes());
    let share = |at: u32, of: u32| (at as f32 + 0.5) / of as f32;
    for y in 0..size.height {
        for x in 0..size.width {
            let byte = |channel: f32| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
                let byte = channel.round() as u8;
                byte
            };
            pixels.extend(colour(share(x, size.width), share(y, size.height)).map(byte));
        }
    }
    pixels
}

fn is_in(x: f32, y: f32, [left, top, right, bottom]: Area) -> bool {
    (left..right).contains(&x) && (top..bottom).contains(&y)
}

/// Where in the place the point is, 0 to 1 each way.
fn within(x: f32, y: f32, [left, top, right, bottom]: Area) -> (f32, f32) {
    ((x - left) / (right - left), (y - top) / (bottom - top))
}

/// The colour of what is there, in white light.
fn surface(x: f32, y: f32) -> Bgr {
    const FRAME: f32 = 0.012;
    let [left, top, right, bottom] = PANE;
    let around = [left - FRAME, top - FRAME, right + FRAME, bottom + FRAME];
    if is_in(x, y, PANE) {
        let (across, down) = within(x, y, PANE);
        let is_bar = (across - 0.5).abs() < 0.02 || (down - 0.45).abs() < 0.02;
        let hills = 0.7 + 0.06 * (across * 9.0).sin();
        match () {
            () if is_bar => [215.0, 218.0, 220.0],
            () if down > hills => [70.0, 130.0, 95.0],
            () => [225.0 - 20.0 * down, 205.0, 185.0 + 25.0 * down],
        }
    } else if is_in(x, y, around) {
        [215.0, 218.0, 220.0]
    } else if is_in(x, y, SHELF) {
        let (across, down) = within(x, y, SHELF);
        book(across, down)
    } else if is_in(x, y, TABLE) {
        [60.0, 85.0, 120.0]
    } else if (0.63..0.90).contains(&y) && [0.42, 0.65].iter().any(|leg| (leg..&(leg + 0.015)).contains(&&x)) {
        [50.0, 72.0, 104.0]
    } else if is_in(x, y, [0.46, 0.53, 0.50, 0.60]) {
        [190.0, 110.0, 50.0]
    } else if y > 0.72 {
        // Boards, the nearer the wider.
        let board = ((y - 0.72) * 60.0).sqrt();
        if board.fract() < 0.06 { [55.0, 75.0, 98.0] } else { [92.0, 122.0, 152.0] }
    } else if y > 0.70 {
        [200.0, 204.0, 206.0]
    } else {
        [176.0, 180.0, 178.0]
    }
}

/// Two boards with books, each as thick and as high as it happens to be.
fn book(across: f32, down: f32) -> Bgr {
    const BACKS: [Bgr; 7] = [
        [60.0, 60.0, 170.0],
        [150.0, 90.0, 40.0],
        [70.0, 140.0, 80.0],
        [90.0, 190.0, 215.0],
        [205.0, 205.0, 200.0],
        [110.0, 60.0, 90.0],
        [45.0, 45.0, 50.0],
    ];
    let board = (down * 2.0).fract();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 17")]
    let n = (across * 17.0 + if down < 0.5 { 0.0 } else { 0.6 }) as usize;
    let height = 0.62 + 0.3 * ((n * 7 % 5) as f32 / 5.0);
    match () {
        () if board > 0.93 => [70.0, 96.0, 130.0],
        () if board < 0.93 - height => [60.0, 70.0, 80.0],
        () => BACKS.get((n * 5 + usize::from(down < 0.5) * 3) % BACKS.len()).copied().unwrap_or_default(),
    }
}
