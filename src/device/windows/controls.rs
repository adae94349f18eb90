//! The controls of a camera of `DirectShow`, on a filter of their own beside the one that streams.

use std::io;
use std::path::Path;

use windows::Win32::Media::DirectShow::{IAMCameraControl, IAMVideoProcAmp, IBaseFilter};
use windows::core::{Error, Interface, Result as Answer};

use super::cameras;
use super::directshow::{self, Com};
use super::properties::{self, CameraProperty, PropertyRange, PropertyRow, PropertySet, PropertyState, PropertyWrite};
use super::property_errors;
use crate::control::{Control, ControlSetting};

/// An open camera, from which nobody streams. Stays on the thread that has opened it.
pub struct ControlPort {
    ports: Ports,
    /// Those that the camera has, with what does not change of them. `None` before the first question.
    ranges: Option<Vec<(CameraProperty, PropertyRange)>>,
    /// Dropped last, after all that was made with it.
    _com: Option<Com>,
}

impl ControlPort {
    pub fn open(path: &Path) -> io::Result<Self> {
        let com = Com::start();
        let listed = directshow::list();
        let camera = cameras::position(&path.to_string_lossy(), &listed)
            .and_then(|number| listed.get(number))
            .ok_or(io::ErrorKind::NotFound)?;
        let filter = directshow::bind(&camera.path).ok_or(io::ErrorKind::ResourceBusy)?;
        Ok(Self { ports: Ports::of(&filter), ranges: None, _com: com })
    }

    /// All controls with their values.
    ///
    /// # Errors
    /// `NotFound` when the camera has gone.
    pub fn read(&mut self) -> io::Result<Vec<Control>> {
        Ok(properties::controls(&self.rows()?))
    }

    /// Sets one control. The driver may round the value.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn set(&mut self, setting: ControlSetting) -> Result<(), String> {
        let rows = self.rows().map_err(|_| "the camera is gone".to_owned())?;
        for write in properties::writes(setting, &rows)? {
            self.ports.set(write).map_err(|error| property_errors::why_refused(code(&error), &error.message()))?;
        }
        Ok(())
    }

    fn rows(&mut self) -> io::Result<Vec<PropertyRow>> {
        let ranges = self.ranges.get_or_insert_with(|| self.ports.ranges());
        self.ports.rows(ranges)
    }
}

/// Those of a camera whose driver runs. Empty where it does not answer.
pub fn of(camera: &IBaseFilter) -> Vec<Control> {
    let ports = Ports::of(camera);
    ports.rows(&ports.ranges()).map(|rows| properties::controls(&rows)).unwrap_or_default()
}

/// Both interfaces, as far as the camera has them.
struct Ports {
    picture: Option<IAMVideoProcAmp>,
    camera: Option<IAMCameraControl>,
}

impl Ports {
    fn of(filter: &IBaseFilter) -> Self {
        Self { picture: filter.cast().ok(), camera: filter.cast().ok() }
    }

    fn ranges(&self) -> Vec<(CameraProperty, PropertyRange)> {
        properties::properties().filter_map(|property| Some((property, self.range(property)?))).collect()
    }

    /// One that does not answer has no state; `NotFound` where the camera has gone.
    fn rows(&self, ranges: &[(CameraProperty, PropertyRange)]) -> io::Result<Vec<PropertyRow>> {
        let row = |(property, range): &(CameraProperty, PropertyRange)| {
            let state = match self.state(*property) {
                Ok(state) => Some(state),
                Err(error) if property_errors::is_gone(code(&error)) => return Err(io::ErrorKind::NotFound.into()),
                Err(_) => None,
            };
            Ok(PropertyRow { property: *property, range: *range, state })
        };
        ranges.iter().map(row).collect()
    }

    /// `None` where the camera does not have it.
    fn range(&self, property: CameraProperty) -> Option<PropertyRange> {
        let PropertyRange { mut min, mut max, mut step, mut default, mut flags } = PropertyRange::default();
        let number = property.number;
        let numbers = (&raw mut min, &raw mut max, &raw mut step, &raw mut default, &raw mut flags);
        // SAFETY: the interfaces are valid, and all five numbers live through the call.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            match property.set {
                PropertySet::Picture => {
                    self.picture.as_ref()?.GetRange(number, numbers.0, numbers.1, numbers.2, numbers.3, numbers.4)
                }
                PropertySet::Camera => {
                    self.camera.as_ref()?.GetRange(number, numbers.0, numbers.1, numbers.2, numbers.3, numbers.4)
                }
            }
        }
        .ok()?;
        Some(PropertyRange { min, max, step, default, flags })
    }

    fn state(&self, property: CameraProperty) -> Answer<PropertyState> {
        let (mut value, mut flags) = (0, 0);
        // SAFETY: the interfaces are valid, and both numbers live through the call.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            match (property.set, &self.picture, &self.camera) {
                (PropertySet::Picture, Some(picture), _) => {
                    picture.Get(property.number, &raw mut value, &raw mut flags)?
                }
                (PropertySet::Camera, _, Some(camera)) => {
                    camera.Get(property.number, &raw mut value, &raw mut flags)?
                }
                _ => return Err(Error::empty()),
            }
        }
        Ok(PropertyState { value, flags })
    }

    fn set(&self, write: PropertyWrite) -> Answer<()> {
        let PropertyWrite { property, value, flags } = write;
        // SAFETY: the interfaces are valid, and the calls take numbers only.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            match (property.set, &self.picture, &self.camera) {
                (PropertySet::Picture, Some(picture), _) => picture.Set(property.number, value, flags),
                (PropertySet::Camera, _, Some(camera)) => camera.Set(property.number, value, flags),
                _ => Err(Error::empty()),
            }
        }
    }
}

fn code(error: &Error) -> u32 {
    error.code().0.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{BRIGHTNESS, ControlKind};

    #[test]
    fn what_is_no_camera_has_no_controls() {
        let error = ControlPort::open(Path::new("@device:no such camera")).err().map(|error| error.kind());
        assert_eq!(error, Some(io::ErrorKind::NotFound));
    }

    /// Of the first camera on the list.
    #[test]
    #[ignore = "changes the brightness of a real camera for a moment"]
    fn the_brightness_of_a_camera_is_set_and_read_back() {
        let device = super::super::system::list().into_iter().next().unwrap();
        let mut port = ControlPort::open(Path::new(&device.path)).unwrap();
        let brightness =
            |port: &mut ControlPort| port.read().unwrap().into_iter().find(|control| control.id == BRIGHTNESS).unwrap();
        let before = brightness(&mut port);
        let ControlKind::Integer { min, max, .. } = before.kind else { panic!("{before:?}") };
        // Another handle sees it as well.
        let mut other = ControlPort::open(Path::new(&device.path)).unwrap();
        let ends = [min, max, before.value.unwrap()];
        for value in ends {
            port.set(ControlSetting { id: BRIGHTNESS, value }).unwrap();
            assert_eq!(brightness(&mut port).value, Some(value));
            assert_eq!(brightness(&mut other).value, Some(value));
        }
        let told = port.set(ControlSetting { id: crate::control::FOCUS, value: 1 });
        assert!(told.is_ok() || told.unwrap_err().contains("camera"));
    }
}
