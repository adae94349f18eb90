//! Who has a device open, in which order holders are named, and the fault that names them. Finding them is each system's part.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, FaultKind};

/// A process that has a device open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// The name of its program.
    pub program: String,
    /// Whose process it is: the name, else the number.
    pub user: Option<String>,
    /// When the process was started.
    pub since: Option<Timestamp>,
    pub role: Role,
}

/// How likely it is that a holder is in the way, likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Program,
    /// A capture process of Camclinic whose program is gone.
    Leftover,
    /// This program, or a capture process of it.
    Own,
    /// A server that keeps every camera's node open, most often without streaming from it.
    Bystander,
}

/// Servers that keep every camera's node open without streaming from it, or only to pass it on.
const BYSTANDERS: [&str; 6] =
    ["pipewire", "wireplumber", "pipewire-media-session", "systemd-logind", "v4l2-relayd", "xdg-desktop-portal"];

impl Role {
    /// Of a program that is not Camclinic's.
    #[must_use]
    pub fn of(program: &str) -> Self {
        if BYSTANDERS.contains(&program) { Self::Bystander } else { Self::Program }
    }
}

/// Puts whoever is likeliest to be in the way first; among equals the one that was started last.
pub fn sort(holders: &mut [Holder]) {
    holders.sort_by(|a, b| a.role.cmp(&b.role).then_with(|| b.since.cmp(&a.since)).then_with(|| a.pid.cmp(&b.pid)));
}

impl Holder {
    /// `cheese (process 4711 of anna, started at 14:02)`.
    #[must_use]
    pub fn label(&self, zone: &jiff::tz::TimeZone) -> String {
        let user = self.user.as_ref().map(|user| format!(" of {user}")).unwrap_or_default();
        let since = self.since.map(|since| since.to_zoned(zone.clone()).strftime(", started at %H:%M").to_string());
        let details = format!("process {}{user}{}", self.pid, since.unwrap_or_default());
        match self.role {
            Role::Own => format!("this program itself ({details})"),
            Role::Leftover => format!("a capture process that an earlier Camclinic has left behind ({details})"),
            Role::Program | Role::Bystander => format!("{} ({details})", self.program),
        }
    }
}

/// The fault that names the holders of what is called `shown`. `None` when nobody holds it but servers that do not stream:
/// they are in nobody's way. `holders` are sorted.
#[must_use]
pub fn busy(holders: &[Holder], shown: &str) -> Option<Fault> {
    let first = holders.first().filter(|first| first.role != Role::Bystander)?;
    let others = holders.iter().skip(1).filter(|holder| holder.role == first.role).collect::<Vec<_>>();
    let zone = jiff::tz::TimeZone::system();
    let mut names = first.label(&zone);
    for other in others.iter().take(3) {
        names.push_str(&format!(", {} (process {})", other.program, other.pid));
    }
    if others.len() > 3 {
        names.push_str(&format!(", and {} more", others.len() - 3));
    }
    let advice = match first.role {
        Role::Own => {
            "Close the other view of this camera. If there is none, an earlier call into its driver has not come \
                      back: unplug the camera, or restart Camclinic."
                .to_owned()
        }
        Role::Leftover => format!(
            "End process {}. If it does not end, its driver hangs: unplug the camera and plug it in again, or restart the computer.",
            first.pid
        ),
        Role::Program | Role::Bystander if others.is_empty() => {
            format!("Close {}: the camera then comes by itself.", first.program)
        }
        Role::Program | Role::Bystander => {
            format!("Close {} and the others: the camera then comes by itself.", first.program)
        }
    };
    Some(Fault::new(FaultKind::Busy, format!("{shown} is in use by {names}")).with_advice(advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32, program: &str, role: Role) -> Holder {
        let since = Timestamp::from_second(i64::from(pid)).ok();
        Holder { pid, program: program.into(), user: Some("anna".into()), since, role }
    }

    #[track_caller]
    fn check(holders: &[(u32, &str, Role)], message: Option<&str>, advice: &str) {
        let mut holders = holders.iter().map(|(pid, program, role)| holder(*pid, program, *role)).collect::<Vec<_>>();
        sort(&mut holders);
        let fault = busy(&holders, "/dev/video0");
        assert_eq!(fault.is_some(), message.is_some(), "{holders:?}");
        let (Some(fault), Some(message)) = (fault, message) else { return };
        assert_eq!(fault.kind, FaultKind::Busy);
        assert!(fault.message.starts_with(&format!("/dev/video0 is in use by {message}")), "{fault}");
        assert!(fault.advice.starts_with(advice), "{}", fault.advice);
    }

    #[test]
    fn whoever_is_in_the_way_is_named_first() {
        use Role::{Bystander, Leftover, Own, Program};
        check(&[], None, "");
        check(&[(7, "pipewire", Bystander)], None, "");
        check(
            &[(7, "pipewire", Bystander), (8, "cheese", Program)],
            Some("cheese (process 8 of anna"),
            "Close cheese:",
        );
        check(&[(8, "cheese", Program), (9, "zoom", Program)], Some("zoom (process 9"), "Close zoom and");
        check(&[(9, "camclinic", Own), (8, "cheese", Program)], Some("cheese (process 8"), "Close cheese:");
        check(&[(9, "camclinic", Own), (8, "camclinic-worker", Leftover)], Some("a capture process"), "End process 8.");
        check(&[(9, "camclinic", Own)], Some("this program itself (process 9"), "Close the other view");
    }

    #[test]
    fn many_holders_are_counted() {
        let holders = (1..=9).map(|pid| holder(pid, "vlc", Role::Program)).collect::<Vec<_>>();
        assert!(busy(&holders, "x").unwrap().message.ends_with("vlc (process 4), and 5 more"));
    }

    #[test]
    fn a_label_has_all_that_is_known() {
        let utc = jiff::tz::TimeZone::UTC;
        let mut cheese = holder(60 * 61, "cheese", Role::Program);
        assert_eq!(cheese.label(&utc), "cheese (process 3660 of anna, started at 01:01)");
        (cheese.user, cheese.since) = (None, None);
        assert_eq!(cheese.label(&utc), "cheese (process 3660)");
    }

    #[test]
    fn servers_are_known() {
        assert_eq!(Role::of("pipewire"), Role::Bystander);
        assert_eq!(Role::of("cheese"), Role::Program);
    }
}
