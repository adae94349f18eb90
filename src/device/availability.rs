//! Whether a camera could be opened now, as far as can be told without opening it: to look each second wakes no camera.

use std::path::Path;

use super::holders::{Holder, Role};
use super::{Device, DeviceKind, holders_of_all, system};
use crate::fault::Fault;

/// Whether a camera could be opened now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// As far as the system tells.
    Free,
    /// This program has it open.
    Ours,
    /// These have it open, likeliest in the way first. Whether they stream is known only to who tries.
    Held(Vec<Holder>),
    /// The system does not let this program open it.
    Denied(Fault),
    /// It is plugged in, and no driver has taken it.
    Undriven(Fault),
}

/// That of each of these cameras, in their order. Reads what the system knows of its processes; takes some milliseconds.
#[must_use]
pub fn of_all(devices: &[Device]) -> Vec<Availability> {
    let holders = holders_of_all(devices);
    devices
        .iter()
        .zip(holders)
        .map(|(device, holders)| match system::may_open(Path::new(&device.path)) {
            Ok(()) => of_holders(device.kind, holders),
            Err(fault) => Availability::Denied(fault),
        })
        .collect()
}

/// The same of a camera that may be opened.
#[must_use]
pub fn of_holders(kind: DeviceKind, mut holders: Vec<Holder>) -> Availability {
    if holders.iter().any(|holder| holder.role == Role::Own) {
        return Availability::Ours;
    }
    holders.retain(|holder| holder.role != Role::Bystander);
    // The one that feeds a virtual camera is in nobody's way.
    if holders.is_empty() || kind == DeviceKind::Virtual { Availability::Free } else { Availability::Held(holders) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(roles: &[Role], expected: &Availability) {
        let holder = |role| Holder { pid: 7, program: "cheese".into(), user: None, since: None, role };
        let availability = of_holders(DeviceKind::Camera, roles.iter().copied().map(holder).collect());
        let is_same = match (&availability, expected) {
            (Availability::Held(a), Availability::Held(b)) => a.len() == b.len(),
            (a, b) => a == b,
        };
        assert!(is_same, "{roles:?}: {availability:?}");
    }

    #[test]
    fn who_has_it_decides() {
        let held = |n| {
            Availability::Held(vec![
                Holder {
                    pid: 7,
                    program: String::new(),
                    user: None,
                    since: None,
                    role: Role::Program
                };
                n
            ])
        };
        check(&[], &Availability::Free);
        check(&[Role::Bystander], &Availability::Free);
        check(&[Role::Program, Role::Bystander], &held(1));
        check(&[Role::Program, Role::Leftover], &held(2));
        check(&[Role::Program, Role::Own], &Availability::Ours);
        let feeder = Holder { pid: 7, program: "obs".into(), user: None, since: None, role: Role::Program };
        assert_eq!(of_holders(DeviceKind::Virtual, vec![feeder]), Availability::Free);
    }
}
