//! How a camera stands, seen from outside: nothing is opened, so that to look each second wakes no camera.

use std::path::Path;

use super::holders::{Holder, Role};
use super::{Device, system};
use crate::fault::Fault;

/// Whether a camera could be opened now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glance {
    /// As far as the system tells.
    Free,
    /// This program has it.
    Ours,
    /// These have it open, likeliest in the way first. Whether they stream is known only to who tries.
    Held(Vec<Holder>),
    /// The system does not let this program open it.
    Denied(Fault),
}

/// Reads what the system knows of its processes; takes some milliseconds.
#[must_use]
pub fn glance(device: &Device) -> Glance {
    let path = Path::new(&device.path);
    match system::may_open(path) {
        Ok(()) => of_holders(system::holders(path)),
        Err(fault) => Glance::Denied(fault),
    }
}

fn of_holders(mut holders: Vec<Holder>) -> Glance {
    if holders.iter().any(|holder| holder.role == Role::Own) {
        return Glance::Ours;
    }
    holders.retain(|holder| holder.role != Role::Bystander);
    if holders.is_empty() { Glance::Free } else { Glance::Held(holders) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(roles: &[Role], expected: &Glance) {
        let holder = |role| Holder { pid: 7, program: "cheese".into(), user: None, since: None, role };
        let glance = of_holders(roles.iter().copied().map(holder).collect());
        let is_same = match (&glance, expected) {
            (Glance::Held(a), Glance::Held(b)) => a.len() == b.len(),
            (a, b) => a == b,
        };
        assert!(is_same, "{roles:?}: {glance:?}");
    }

    #[test]
    fn who_has_it_decides() {
        let held = |n| {
            Glance::Held(vec![
                Holder { pid: 7, program: String::new(), user: None, since: None, role: Role::Program };
                n
            ])
        };
        check(&[], &Glance::Free);
        check(&[Role::Bystander], &Glance::Free);
        check(&[Role::Program, Role::Bystander], &held(1));
        check(&[Role::Program, Role::Leftover], &held(2));
        check(&[Role::Program, Role::Own], &Glance::Ours);
    }
}
