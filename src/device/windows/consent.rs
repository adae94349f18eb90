//! Who may use cameras on Windows, and which program does now, as its consent store has it.
//!
//! `Software\Microsoft\Windows\CurrentVersion\CapabilityAccessManager\ConsentStore\webcam` of the computer and of the user,
//! as plain data. The system keeps it for all cameras together: it names the program that uses one, and not which one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::device::holders::{self, Holder, Role};
use crate::fault::{Fault, FaultKind};
use crate::foreign::safe;

/// A key of the registry with all that is below it. Names are as the registry has them, which takes no notice of case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RegistryKey {
    pub values: BTreeMap<String, RegistryValue>,
    pub keys: BTreeMap<String, RegistryKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum RegistryValue {
    /// `REG_DWORD`, `REG_QWORD`
    Number(u64),
    /// `REG_SZ`
    Text(String),
}

impl RegistryKey {
    fn key(&self, name: &str) -> Option<&Self> {
        self.keys.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, key)| key)
    }

    fn value(&self, name: &str) -> Option<&RegistryValue> {
        self.values.iter().find(|(value, _)| value.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            RegistryValue::Number(number) => Some(*number),
            RegistryValue::Text(_) => None,
        }
    }

    /// Whether what this key is about is switched off.
    fn is_denied(&self) -> bool {
        matches!(self.value("Value"), Some(RegistryValue::Text(text)) if text.eq_ignore_ascii_case("Deny"))
    }
}

/// The programs that no store sells, each under the path of its file with `#` for `\`.
const NON_PACKAGED: &str = "NonPackaged";

/// All that is asked of the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ConsentStore {
    /// `webcam` of the computer.
    pub machine: RegistryKey,
    /// `webcam` of the user.
    pub user: RegistryKey,
    /// `Software\Policies\Microsoft\Windows\AppPrivacy` of the computer.
    pub policy: RegistryKey,
}

/// What keeps this program from cameras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivacySwitch {
    /// For all users of the computer.
    Computer,
    /// For all programs of this user.
    User,
    /// For all programs that no store sells.
    DesktopPrograms,
    /// For this program alone.
    ThisProgram,
    /// Set by whoever manages the computer.
    Policy,
}

impl PrivacySwitch {
    /// The fault of a camera that is called `shown`.
    #[must_use]
    pub fn fault(self, shown: &str) -> Fault {
        const SETTINGS: &str = "Open Settings > Privacy & security > Camera and switch on";
        let (what, advice) = match self {
            Self::Computer => (
                "is switched off in the privacy settings for everybody on this computer",
                format!("{SETTINGS} “Camera access”, which takes an administrator."),
            ),
            Self::User => (
                "is switched off in the privacy settings for all of your programs",
                format!("{SETTINGS} “Let apps access your camera”."),
            ),
            Self::DesktopPrograms => (
                "is switched off in the privacy settings for desktop programs",
                format!("{SETTINGS} “Let desktop apps access your camera”."),
            ),
            Self::ThisProgram => (
                "is switched off in the privacy settings for this program",
                format!("{SETTINGS} Camclinic, in the list below “Let desktop apps access your camera”."),
            ),
            Self::Policy => (
                "is kept from all programs by a policy of this computer (LetAppsAccessCamera)",
                "Ask whoever manages this computer.".to_owned(),
            ),
        };
        Fault::new(FaultKind::Denied, format!("{shown} {what}")).with_advice(advice)
    }
}

impl ConsentStore {
    /// The first switch that is off, from the whole computer down to the program whose file is `program`.
    #[must_use]
    pub fn denied(&self, program: &str) -> Option<PrivacySwitch> {
        let desktop = |key: &RegistryKey| key.key(NON_PACKAGED).is_some_and(RegistryKey::is_denied);
        let own = program.replace('\\', "#");
        let this =
            |key: &RegistryKey| key.key(NON_PACKAGED).and_then(|all| all.key(&own)).is_some_and(RegistryKey::is_denied);
        if self.machine.is_denied() {
            Some(PrivacySwitch::Computer)
        } else if self.user.is_denied() {
            Some(PrivacySwitch::User)
        } else if desktop(&self.machine) || desktop(&self.user) {
            Some(PrivacySwitch::DesktopPrograms)
        } else if this(&self.machine) || this(&self.user) {
            Some(PrivacySwitch::ThisProgram)
        } else if self.policy.number("LetAppsAccessCamera") == Some(2) {
            Some(PrivacySwitch::Policy)
        } else {
            None
        }
    }

    /// The programs that use a camera now, as far as they told an end to nobody. One that crashed is among them: see
    /// [`holders()`].
    #[must_use]
    pub fn uses(&self) -> Vec<CameraUse> {
        let mut uses = Vec::<CameraUse>::new();
        for root in [&self.user, &self.machine] {
            let packaged = root.keys.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(NON_PACKAGED));
            let packaged = packaged.map(|(name, key)| (Program::Package(name.clone()), key));
            let desktop = root.key(NON_PACKAGED).into_iter().flat_map(|all| &all.keys);
            let desktop = desktop.map(|(name, key)| (Program::File(name.replace('#', r"\")), key));
            for (program, key) in packaged.chain(desktop) {
                let Some(since) = key.number("LastUsedTimeStart").filter(|start| *start != 0) else { continue };
                if key.number("LastUsedTimeStop") == Some(0) && !uses.iter().any(|known| known.program == program) {
                    uses.push(CameraUse { program, since: time(since) });
                }
            }
        }
        uses
    }
}

/// A program that uses a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraUse {
    pub program: Program,
    pub since: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// `C:\Program Files\Zoom\bin\Zoom.exe`
    File(String),
    /// `Microsoft.WindowsCamera_8wekyb3d8bbwe`: name and maker.
    Package(String),
}

/// A process, by its number and the file of its program. Without the folder where the system does not tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningProcess {
    pub pid: u32,
    pub file: String,
}

impl RunningProcess {
    fn name(&self) -> &str {
        self.file.rsplit('\\').next().unwrap_or_default()
    }
}

impl Program {
    fn is(&self, process: &RunningProcess) -> bool {
        match self {
            Self::File(path) if process.file.contains('\\') => path.eq_ignore_ascii_case(&process.file),
            Self::File(path) => path.rsplit('\\').next().is_some_and(|name| name.eq_ignore_ascii_case(&process.file)),
            // `C:\Program Files\WindowsApps\Microsoft.WindowsCamera_2023.2305.4.0_x64__8wekyb3d8bbwe\WindowsCamera.exe`
            Self::Package(family) => {
                let Some((name, maker)) = family.rsplit_once('_') else { return false };
                let (name, maker) = (format!("{name}_").to_lowercase(), format!("__{maker}").to_lowercase());
                let file = process.file.to_lowercase();
                file.split('\\').any(|folder| folder.starts_with(&name) && folder.ends_with(&maker))
            }
        }
    }
}

/// The running processes of the programs that use a camera. One that crashed leaves its use in the store, and has no process.
/// The files in `own` are this program's; a program of several processes counts once, by its eldest.
#[must_use]
pub fn holders(uses: &[CameraUse], processes: &[RunningProcess], own: &[String]) -> Vec<Holder> {
    let holder = |a_use: &CameraUse| {
        let process = processes.iter().filter(|process| a_use.program.is(process)).min_by_key(|process| process.pid)?;
        let is_own = own.iter().any(|own| own.eq_ignore_ascii_case(&process.file));
        Some(Holder {
            pid: process.pid,
            program: safe(process.name().as_bytes()),
            user: None,
            since: a_use.since,
            role: if is_own { Role::Own } else { Role::Program },
        })
    };
    let mut all = uses.iter().filter_map(holder).collect::<Vec<_>>();
    holders::sort(&mut all);
    all
}

/// The fault that names the programs of others that use a camera. `is_only`: there is one camera, which must be the one.
#[must_use]
pub fn busy(holders: &[Holder], shown: &str, is_only: bool) -> Option<Fault> {
    let others = holders.iter().filter(|holder| holder.role != Role::Own).cloned().collect::<Vec<_>>();
    let fault = holders::busy(&others, shown)?;
    if is_only {
        return Some(fault);
    }
    let first = others.first()?.label(&jiff::tz::TimeZone::system());
    let message = format!("{shown} did not open, and {first} uses a camera now: Windows does not tell which one");
    Some(Fault { message: message.into(), ..fault })
}

/// Of the system's count of 100 ns since the year 1601.
fn time(file_time: u64) -> Option<Timestamp> {
    const FROM_1601_TO_1970: i64 = 11_644_473_600;
    let seconds = i64::try_from(file_time / 10_000_000).ok()?;
    Timestamp::from_second(seconds - FROM_1601_TO_1970).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> ConsentStore {
        serde_json::from_str(include_str!("../../../tests/fixtures/windows/consent.json")).unwrap()
    }

    const OWN: &str = r"C:\Program Files\Camclinic\camclinic.exe";

    /// `change` goes into the store at that path, as `Deny`.
    #[track_caller]
    fn check(change: &[&str], expected: Option<PrivacySwitch>) {
        let mut store = store();
        if let Some((root, path)) = change.split_first() {
            let mut key = match *root {
                "machine" => &mut store.machine,
                "user" => &mut store.user,
                _ => &mut store.policy,
            };
            for name in path {
                key = key.keys.entry((*name).to_owned()).or_default();
            }
            key.values.insert("Value".into(), RegistryValue::Text("Deny".into()));
        }
        assert_eq!(store.denied(OWN), expected, "{change:?}");
        let advice = expected.map(|switch| switch.fault("Cam").advice);
        assert!(advice.is_none_or(|advice| advice.ends_with('.')), "{change:?}");
    }

    #[test]
    fn the_switch_that_is_off_is_named() {
        let own = OWN.replace('\\', "#");
        check(&[], None);
        check(&["machine"], Some(PrivacySwitch::Computer));
        check(&["user"], Some(PrivacySwitch::User));
        check(&["user", "NonPackaged"], Some(PrivacySwitch::DesktopPrograms));
        check(&["machine", "NonPackaged"], Some(PrivacySwitch::DesktopPrograms));
        check(&["user", "NonPackaged", &own], Some(PrivacySwitch::ThisProgram));
        check(&["user", "NonPackaged", &own.to_uppercase()], Some(PrivacySwitch::ThisProgram));
        check(&["user", "NonPackaged", "C:#other.exe"], None);
        check(&["user", "Microsoft.WindowsCamera_8wekyb3d8bbwe"], None);
    }

    #[test]
    fn a_policy_is_named_when_no_switch_is_off() {
        let with = |value| ConsentStore {
            policy: RegistryKey { values: [("LetAppsAccessCamera".into(), value)].into(), ..RegistryKey::default() },
            ..store()
        };
        assert_eq!(with(RegistryValue::Number(2)).denied(OWN), Some(PrivacySwitch::Policy));
        assert_eq!(with(RegistryValue::Number(0)).denied(OWN), None);
        assert_eq!(with(RegistryValue::Text("2".into())).denied(OWN), None);
        assert_eq!(ConsentStore::default().denied(OWN), None);
    }

    #[test]
    fn a_use_without_an_end_is_going_on() {
        let uses = store().uses();
        let since = "2026-11-20T09:15:30Z".parse().ok();
        let expected = [
            CameraUse { program: Program::Package("Microsoft.WindowsCamera_8wekyb3d8bbwe".into()), since },
            CameraUse { program: Program::File(r"C:\Program Files\Zoom\bin\Zoom.exe".into()), since },
            CameraUse { program: Program::File(r"C:\Program Files\Camclinic\camclinic-worker.exe".into()), since },
            CameraUse { program: Program::File(r"C:\Windows\System32\crashed.exe".into()), since },
        ];
        for one in &expected {
            assert!(uses.contains(one), "{one:?} is not among {uses:?}");
        }
        assert_eq!(uses.len(), expected.len(), "{uses:?}");
    }

    fn process(pid: u32, file: &str) -> RunningProcess {
        RunningProcess { pid, file: file.into() }
    }

    #[track_caller]
    fn check_holders(processes: &[RunningProcess], expected: &[(u32, &str, Role)]) {
        let own = [OWN.to_owned(), r"C:\Program Files\Camclinic\camclinic-worker.exe".to_owned()];
        let holders = holders(&store().uses(), processes, &own);
        let found = holders.iter().map(|one| (one.pid, one.program.as_str(), one.role)).collect::<Vec<_>>();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_holder_is_a_process_that_runs() {
        const CAMERA: &str =
            r"C:\Program Files\WindowsApps\Microsoft.WindowsCamera_2023.2305.4.0_x64__8wekyb3d8bbwe\WindowsCamera.exe";
        check_holders(&[], &[]);
        check_holders(&[process(4, "System"), process(8, r"C:\Zoom.exe")], &[]);
        check_holders(
            &[process(70, r"c:\program files\zoom\bin\zoom.exe"), process(60, r"C:\Program Files\Zoom\bin\Zoom.exe")],
            &[(60, "Zoom.exe", Role::Program)],
        );
        check_holders(&[process(7, "Zoom.exe")], &[(7, "Zoom.exe", Role::Program)]);
        check_holders(&[process(9, CAMERA)], &[(9, "WindowsCamera.exe", Role::Program)]);
        check_holders(&[process(9, &CAMERA.replace("8wekyb3d8bbwe", "other"))], &[]);
        check_holders(
            &[process(5, r"C:\Program Files\Camclinic\camclinic-worker.exe"), process(9, CAMERA)],
            &[(9, "WindowsCamera.exe", Role::Program), (5, "camclinic-worker.exe", Role::Own)],
        );
    }

    #[track_caller]
    fn check_busy(processes: &[RunningProcess], is_only: bool, message: Option<&str>) {
        let own = [r"C:\Program Files\Camclinic\camclinic-worker.exe".to_owned()];
        let fault = busy(&holders(&store().uses(), processes, &own), "Cam", is_only);
        assert_eq!(fault.as_ref().map(|fault| fault.kind), message.map(|_| FaultKind::Busy));
        let said = fault.map(|fault| fault.message).unwrap_or_default();
        assert!(said.starts_with(message.unwrap_or_default()), "{said}");
    }

    #[test]
    fn a_camera_is_busy_for_sure_only_when_it_is_the_only_one() {
        let zoom = process(60, r"C:\Program Files\Zoom\bin\Zoom.exe");
        let own = process(5, r"C:\Program Files\Camclinic\camclinic-worker.exe");
        check_busy(std::slice::from_ref(&zoom), true, Some("Cam is in use by Zoom.exe (process 60, started at "));
        check_busy(&[zoom], false, Some("Cam did not open, and Zoom.exe (process 60, started at "));
        check_busy(&[own], true, None);
        check_busy(&[], false, None);
    }

    #[test]
    fn times_count_from_1601() {
        assert_eq!(time(116_444_736_000_000_000), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(time(0).map(|time| time.to_string()).as_deref(), Some("1601-01-01T00:00:00Z"));
        assert_eq!(time(u64::MAX), None);
    }
}
