//! Which part of the picture is seen, and which way round: zoom, shift, quarter turns, mirror. It is for looking alone: what is
//! saved and recorded stays as the camera sends it.

use egui::{Pos2, Rect, Vec2, pos2, vec2};

/// How large the picture is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Zoom {
    /// All of it, as large as there is room.
    #[default]
    Fit,
    /// The room is filled; what is too much is cut off at two sides.
    Fill,
    /// So many points of the screen for each pixel of the picture.
    Scale(f32),
}

/// The user's choice. It stays while pictures come and go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureView {
    pub zoom: Zoom,
    /// What is in the middle, as a share of the picture's width and height.
    middle: Vec2,
    /// Quarter turns, clockwise.
    n_turns: u8,
    pub is_mirrored: bool,
}

impl Default for PictureView {
    fn default() -> Self {
        Self { zoom: Zoom::Fit, middle: Vec2::splat(0.5), n_turns: 0, is_mirrored: false }
    }
}

impl PictureView {
    /// Points for each pixel, at most.
    const MAX_SCALE: f32 = 40.0;
    /// Of what fits, at least: smaller is of no use.
    const MIN_OF_FIT: f32 = 0.25;

    /// Whether it is shown as the camera sends it, as large as there is room.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    pub fn fit(&mut self) {
        (self.zoom, self.middle) = (Zoom::Fit, Vec2::splat(0.5));
    }

    /// The same way round, all of it.
    #[must_use]
    pub fn fitted(&self) -> Self {
        let mut fitted = *self;
        fitted.fit();
        fitted
    }

    pub fn fill(&mut self) {
        (self.zoom, self.middle) = (Zoom::Fill, Vec2::splat(0.5));
    }

    pub fn turn(&mut self) {
        self.n_turns = (self.n_turns + 1) % 4;
    }

    /// Where a picture of `size` pixels is in `room`.
    #[must_use]
    pub fn place(&self, size: Vec2, room: Rect) -> PlacedPicture {
        let turned = if self.n_turns % 2 == 1 { vec2(size.y, size.x) } else { size };
        let ratio = room.size() / turned.max(Vec2::splat(1.0));
        let scale = match self.zoom {
            Zoom::Fit => ratio.min_elem(),
            Zoom::Fill => ratio.max_elem(),
            Zoom::Scale(scale) => scale,
        };
        let mut placed = PlacedPicture {
            size,
            room,
            scale: scale.max(0.0),
            middle: self.middle * size,
            n_turns: self.n_turns,
            is_mirrored: self.is_mirrored,
        };
        placed.keep_inside();
        placed
    }

    /// Makes the picture larger by a factor; what is at `at` stays there.
    pub fn zoom_by(&mut self, factor: f32, at: Pos2, placed: &PlacedPicture) {
        let fit = self.fitted().place(placed.size, placed.room).scale;
        self.zoom_to((placed.scale * factor).clamp(fit * Self::MIN_OF_FIT, Self::MAX_SCALE.max(fit)), at, placed);
    }

    /// The same, to so many points for each pixel.
    pub fn zoom_to(&mut self, scale: f32, at: Pos2, placed: &PlacedPicture) {
        let pixel = placed.pixel_at(at);
        self.zoom = Zoom::Scale(scale);
        let moved = PlacedPicture { scale, ..placed.clone() };
        self.set_middle(placed.middle + (pixel - moved.pixel_at(at)), placed.size);
    }

    /// Moves the picture by so many points of the screen.
    pub fn drag(&mut self, by: Vec2, placed: &PlacedPicture) {
        let (was, is) = (placed.pixel_at(placed.room.center()), placed.pixel_at(placed.room.center() - by));
        self.set_middle(placed.middle + (is - was), placed.size);
    }

    /// Has that pixel in the middle.
    pub fn centre_on(&mut self, pixel: Pos2, size: Vec2) {
        self.set_middle(pixel.to_vec2(), size);
    }

    fn set_middle(&mut self, middle: Vec2, size: Vec2) {
        self.middle = (middle / size.max(Vec2::splat(1.0))).clamp(Vec2::ZERO, Vec2::splat(1.0));
    }
}

/// A picture on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedPicture {
    /// Of the picture, in pixels.
    pub size: Vec2,
    pub room: Rect,
    /// Points for each pixel.
    pub scale: f32,
    /// The pixel in the middle of the room.
    middle: Vec2,
    n_turns: u8,
    is_mirrored: bool,
}

impl PlacedPicture {
    /// No room beside the picture in a direction in which it is larger than the room; the same on both sides where it is smaller.
    fn keep_inside(&mut self) {
        let seen = self.turned(self.room.size()).abs() / self.scale.max(f32::MIN_POSITIVE);
        let keep = |middle: f32, seen: f32, size: f32| {
            if seen >= size { size / 2.0 } else { middle.clamp(seen / 2.0, size - seen / 2.0) }
        };
        self.middle = vec2(keep(self.middle.x, seen.x, self.size.x), keep(self.middle.y, seen.y, self.size.y));
    }

    /// A way on the screen as a way in the picture, without the scale.
    fn turned(&self, by: Vec2) -> Vec2 {
        match self.n_turns % 4 {
            0 => by,
            1 => vec2(by.y, -by.x),
            2 => -by,
            _ => vec2(-by.y, by.x),
        }
    }

    /// The pixel under a place of the screen; one outside of the picture too.
    #[must_use]
    pub fn pixel_at(&self, at: Pos2) -> Pos2 {
        let mut by = self.turned(at - self.room.center()) / self.scale.max(f32::MIN_POSITIVE);
        if self.is_mirrored {
            by.x = -by.x;
        }
        (self.middle + by).to_pos2()
    }

    /// Where a pixel's upper left corner is on the screen.
    #[must_use]
    pub fn at(&self, pixel: Pos2) -> Pos2 {
        let mut by = (pixel.to_vec2() - self.middle) * self.scale;
        if self.is_mirrored {
            by.x = -by.x;
        }
        let by = match self.n_turns % 4 {
            0 => by,
            1 => vec2(-by.y, by.x),
            2 => -by,
            _ => vec2(by.y, -by.x),
        };
        self.room.center() + by
    }

    /// The picture's corners, beginning with its first pixel, clockwise in the picture.
    #[must_use]
    pub fn corners(&self) -> [Pos2; 4] {
        let Vec2 { x, y } = self.size;
        [pos2(0.0, 0.0), pos2(x, 0.0), pos2(x, y), pos2(0.0, y)].map(|corner| self.at(corner))
    }

    /// All of it, which may be larger than the room.
    #[must_use]
    pub fn rect(&self) -> Rect {
        Rect::from_points(&self.corners())
    }

    /// What is on the screen.
    #[must_use]
    pub fn shown(&self) -> Rect {
        self.rect().intersect(self.room)
    }

    /// The part that is seen, in pixels.
    #[must_use]
    pub fn seen(&self) -> Rect {
        let shown = self.shown();
        Rect::from_points(&[self.pixel_at(shown.min), self.pixel_at(shown.max)])
    }

    /// Whether a part of it is outside of the room.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        // A quarter of a point is rounding.
        !self.room.expand(0.25).contains_rect(self.rect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Vec2 = vec2(640.0, 480.0);

    fn room() -> Rect {
        Rect::from_min_size(pos2(100.0, 50.0), vec2(800.0, 400.0))
    }

    fn all_views() -> impl Iterator<Item = PictureView> {
        (0..8_u8).map(|n| PictureView { n_turns: n % 4, is_mirrored: n >= 4, ..PictureView::default() })
    }

    #[track_caller]
    fn check_near(one: Pos2, other: Pos2) {
        assert!((one - other).length() < 0.05, "{one:?} is not {other:?}");
    }

    #[test]
    fn a_pixel_is_where_it_is_shown() {
        for mut view in all_views() {
            for zoom in [Zoom::Fit, Zoom::Fill, Zoom::Scale(0.3), Zoom::Scale(7.0)] {
                view.zoom = zoom;
                let placed = view.place(SIZE, room());
                for pixel in [pos2(0.0, 0.0), pos2(639.0, 0.0), pos2(17.0, 333.0), pos2(640.0, 480.0)] {
                    check_near(placed.pixel_at(placed.at(pixel)), pixel);
                }
            }
        }
    }

    #[test]
    fn turns_and_the_mirror_are_as_people_say() {
        let corner = |n_turns: u8, is_mirrored: bool| {
            let view = PictureView { n_turns, is_mirrored, ..PictureView::default() };
            let placed = view.place(SIZE, room());
            let (at, rect) = (placed.at(pos2(0.0, 0.0)), placed.rect());
            (at.x < rect.center().x, at.y < rect.center().y)
        };
        // Whether the first pixel is at the left, and at the top. Clockwise it goes to the right first.
        let expected = [(0, (true, true)), (1, (false, true)), (2, (false, false)), (3, (true, false))];
        for (n_turns, place) in expected {
            assert_eq!(corner(n_turns, false), place, "{n_turns} turns");
        }
        assert_eq!(corner(0, true), (false, true), "mirrored left to right");
    }

    #[test]
    fn all_fits_and_nothing_is_left_empty() {
        for mut view in all_views() {
            view.zoom = Zoom::Fit;
            let placed = view.place(SIZE, room());
            assert!(!placed.is_cut() && room().expand(0.1).contains_rect(placed.rect()), "{placed:?}");
            view.zoom = Zoom::Fill;
            let placed = view.place(SIZE, room());
            assert!(placed.rect().expand(0.1).contains_rect(room()), "{placed:?}");
        }
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        for view in all_views() {
            // Where the picture is larger than the room before and after, its edges hold nothing back.
            let mut zoomed = PictureView { zoom: Zoom::Scale(4.0), ..view };
            let placed = zoomed.place(SIZE, room());
            let at = pos2(431.0, 222.0);
            let pixel = placed.pixel_at(at);
            zoomed.zoom_by(1.5, at, &placed);
            let placed = zoomed.place(SIZE, room());
            check_near(placed.pixel_at(at), pixel);
            // And a hand that pulls has it under the pointer all the way.
            zoomed.drag(vec2(30.0, -20.0), &placed);
            check_near(zoomed.place(SIZE, room()).pixel_at(at + vec2(30.0, -20.0)), pixel);
        }
    }

    #[test]
    fn nobody_gets_lost() {
        let mut view = PictureView::default();
        for (by, at) in [(100.0, pos2(0.0, 0.0)), (100.0, pos2(2_000.0, 5.0)), (1e-9, pos2(300.0, 300.0))] {
            let placed = view.place(SIZE, room());
            view.zoom_by(by, at, &placed);
            view.drag(vec2(1e6, -1e6), &view.place(SIZE, room()));
            let placed = view.place(SIZE, room());
            assert!(placed.scale.is_finite() && placed.scale > 0.0 && placed.shown().is_positive(), "{placed:?}");
        }
        // A picture of nothing, and no room.
        for (size, room) in [(Vec2::ZERO, room()), (SIZE, Rect::from_min_size(pos2(5.0, 5.0), Vec2::ZERO))] {
            let placed = view.place(size, room);
            assert!(placed.pixel_at(pos2(1.0, 1.0)).x.is_finite(), "{placed:?}");
        }
    }

    #[test]
    fn what_is_seen_is_told() {
        let mut view = PictureView { zoom: Zoom::Scale(10.0), ..PictureView::default() };
        view.centre_on(pos2(100.0, 100.0), SIZE);
        let seen = view.place(SIZE, room()).seen();
        check_near(seen.min, pos2(60.0, 80.0));
        check_near(seen.max, pos2(140.0, 120.0));
        assert!(view.place(SIZE, room()).is_cut());
    }
}
