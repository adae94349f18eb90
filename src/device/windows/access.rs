//! Why a camera of Windows did not open, from what the system knows without asking a driver.

use super::consent::{self, ConsentStore, RunningProcess};
use super::instance::{instance_of, is_software};
use super::pnp_device::PnpDevice;
use crate::device::Holder;
use crate::fault::{Fault, FaultKind};
use crate::foreign::safe;

/// What can be found out about the cameras of this computer without asking a driver.
#[derive(Clone, Debug, Default)]
pub struct AccessState {
    /// `None` where the system does not tell.
    pub nodes: Option<Vec<PnpDevice>>,
    pub store: ConsentStore,
    pub processes: Vec<RunningProcess>,
    /// The files of this program.
    pub own: Vec<String>,
}

impl AccessState {
    /// Why the camera of that path did not open, as far as it can be told.
    #[must_use]
    pub fn why_not(&self, path: &str) -> Option<Fault> {
        let node = self.node(path);
        let shown = match node {
            Some(node) => safe(node.name().as_bytes()),
            None if path.bytes().all(|byte| byte.is_ascii_digit()) => safe(format!("camera {path}").as_bytes()),
            None if path.starts_with('@') => "the camera".to_owned(),
            None => safe(path.as_bytes()),
        };
        if self.nodes.is_some() && instance_of(path).is_some() && node.is_none() {
            return Some(Fault::new(FaultKind::Missing, format!("{shown} is not plugged in")));
        }
        let has_problem = node.and_then(|node| node.fault(&shown));
        let is_denied = || self.own.iter().find_map(|own| self.store.denied(own)).map(|switch| switch.fault(&shown));
        let is_busy = || consent::busy(&self.holders(), &shown, self.is_only_camera(path));
        // A program that feeds a virtual camera uses another.
        let is_real = instance_of(path).is_some_and(|instance| !is_software(&instance));
        has_problem.or_else(is_denied).or_else(|| if is_real { is_busy() } else { None })
    }

    /// The programs that use a camera, whichever it is.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        consent::holders(&self.store.uses(), &self.processes, &self.own)
    }

    /// Whether whoever uses a camera must be using that one. Infrared cameras do not count: programs are not offered them.
    #[must_use]
    pub fn is_only_camera(&self, path: &str) -> bool {
        let is_offered = |node: &&PnpDevice| node.is_camera() && node.problem == 0 && !node.is_sensor_only();
        let mut working = self.nodes.iter().flatten().filter(is_offered);
        let first = working.next().map(|node| node.instance.to_uppercase());
        first.is_some() && first == instance_of(path) && working.next().is_none()
    }

    fn node(&self, path: &str) -> Option<&PnpDevice> {
        let instance = instance_of(path)?;
        self.nodes.iter().flatten().find(|node| node.instance.to_uppercase() == instance)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeComputer;
    use super::*;

    const C920: &str =
        r"\\?\usb#vid_046d&pid_082d&mi_00#6&1a2b3c4d&0&0000#{e5323777-f976-4f5b-9b55-b94699c46e44}\global";

    fn state() -> AccessState {
        let store = serde_json::from_str(include_str!("../../../tests/fixtures/windows/consent.json")).unwrap();
        let processes = vec![RunningProcess { pid: 60, file: r"C:\Program Files\Zoom\bin\Zoom.exe".into() }];
        AccessState { nodes: Some(FakeComputer::new().nodes), store, processes, own: vec![r"C:\camclinic.exe".into()] }
    }

    #[track_caller]
    fn check_why(state: &AccessState, path: &str, expected: Option<(FaultKind, &str)>) {
        let fault = state.why_not(path);
        let (kind, message) = expected.unzip();
        assert_eq!(fault.as_ref().map(|fault| fault.kind), kind, "{fault:?}");
        let said = fault.map(|fault| fault.message).unwrap_or_default();
        assert!(said.starts_with(message.unwrap_or_default()), "{said}");
    }

    #[test]
    fn what_keeps_a_camera_from_opening_is_told_the_surest_first() {
        let nobody = AccessState { processes: Vec::new(), ..state() };
        let only =
            |state: &AccessState| AccessState { nodes: Some(FakeComputer::new().nodes[..1].to_vec()), ..state.clone() };
        let mut denied = state();
        denied.store.user.values.insert("Value".into(), consent::RegistryValue::Text("Deny".into()));
        let gone = C920.replace("1a2b3c4d", "99999999");
        let disabled = r"USB\VID_045E&PID_0779&MI_00\7&11112222&0&0000";

        check_why(&nobody, C920, None);
        check_why(&state(), C920, Some((FaultKind::Busy, "HD Pro Webcam C920 did not open, and Zoom.exe (process 60")));
        check_why(
            &only(&state()),
            C920,
            Some((FaultKind::Busy, "HD Pro Webcam C920 is in use by Zoom.exe (process 60")),
        );
        check_why(
            &denied,
            C920,
            Some((FaultKind::Denied, "HD Pro Webcam C920 is switched off in the privacy settings")),
        );
        check_why(&denied, disabled, Some((FaultKind::Denied, "Microsoft LifeCam HD-3000 is disabled")));
        check_why(&denied, &gone, Some((FaultKind::Missing, "")));
        check_why(&AccessState { nodes: None, ..nobody.clone() }, &gone, None);
        // A virtual camera: whoever feeds it uses another.
        check_why(&state(), &FakeComputer::new().direct_show[3].path, None);
        check_why(&state(), &FakeComputer::new().media_foundation[3].path, None);
        check_why(&state(), "0", None);
        check_why(&denied, "0", Some((FaultKind::Denied, "camera 0 is switched off")));
        check_why(
            &denied,
            &FakeComputer::new().direct_show[3].path,
            Some((FaultKind::Denied, "the camera is switched off")),
        );
    }

    #[test]
    fn a_switch_for_the_worker_alone_is_found() {
        let mut facts =
            AccessState { own: vec![r"C:\camclinic.exe".into(), r"C:\camclinic-worker.exe".into()], ..state() };
        let desktop = facts.store.user.keys.entry("NonPackaged".into()).or_default();
        let worker = desktop.keys.entry("C:#camclinic-worker.exe".into()).or_default();
        worker.values.insert("Value".into(), consent::RegistryValue::Text("Deny".into()));
        check_why(
            &facts,
            C920,
            Some((FaultKind::Denied, "HD Pro Webcam C920 is switched off in the privacy settings for this program")),
        );
    }

    #[test]
    fn an_infrared_camera_beside_it_leaves_a_camera_the_only_one() {
        let AccessState { nodes, .. } = state();
        let nodes = nodes.unwrap();
        let laptop = AccessState { nodes: Some(nodes[1..3].to_vec()), ..state() };
        assert!(laptop.is_only_camera(&nodes[1].links[0]) && !laptop.is_only_camera(&nodes[2].links[0]));
        assert!(!state().is_only_camera(C920) && !AccessState::default().is_only_camera(C920));
    }
}
