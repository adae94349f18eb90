//! The parameter sets that hold, by their numbers.

use std::sync::Arc;

use crate::packet::ParameterSets;

/// Of each kind; the oldest goes first.
const MAX_SETS: usize = 32;
/// Together; more are not taken.
const MAX_BYTES: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetKind {
    Vps,
    Sps,
    Pps,
}

/// Sets of one kind, each with its number.
type List = Vec<(u64, Vec<u8>)>;

#[derive(Clone, Debug, Default)]
pub(super) struct KnownSets {
    vps: List,
    sps: List,
    pps: List,
    n_bytes: usize,
    shared: Arc<ParameterSets>,
    /// Since they were last shared.
    are_changed: bool,
}

impl KnownSets {
    /// Takes one in, in place of the last one with its number. False where there is no room for it.
    pub fn take(&mut self, kind: SetKind, id: u64, unit: &[u8]) -> bool {
        let list = match kind {
            SetKind::Vps => &mut self.vps,
            SetKind::Sps => &mut self.sps,
            SetKind::Pps => &mut self.pps,
        };
        let known = list.iter_mut().find(|(known, _)| *known == id).map(|(_, known)| known);
        if known.as_ref().is_some_and(|known| known.as_slice() == unit) {
            return true;
        }
        let n_freed = known.as_ref().map_or(0, |known| known.len());
        if self.n_bytes - n_freed + unit.len() > MAX_BYTES {
            return false;
        }
        self.n_bytes = self.n_bytes - n_freed + unit.len();
        self.are_changed = true;
        if let Some(known) = known {
            *known = unit.to_vec();
            return true;
        }
        if list.len() >= MAX_SETS {
            self.n_bytes -= list.remove(0).1.len();
        }
        list.push((id, unit.to_vec()));
        true
    }

    pub fn are_changed(&self) -> bool {
        self.are_changed
    }

    /// All of them; another `Arc` only where they have changed.
    pub fn shared(&mut self) -> &Arc<ParameterSets> {
        if std::mem::take(&mut self.are_changed) {
            let units = |list: &List| list.iter().map(|(_, unit)| unit.clone()).collect();
            let sets = ParameterSets { vps: units(&self.vps), sps: units(&self.sps), pps: units(&self.pps) };
            // A set may have been changed, and back.
            if sets != *self.shared {
                self.shared = Arc::new(sets);
            }
        }
        &self.shared
    }

    fn list(&self, kind: SetKind) -> &List {
        match kind {
            SetKind::Vps => &self.vps,
            SetKind::Sps => &self.sps,
            SetKind::Pps => &self.pps,
        }
    }

    pub fn get(&self, kind: SetKind, id: u64) -> Option<&[u8]> {
        self.list(kind).iter().find(|(known, _)| *known == id).map(|(_, unit)| unit.as_slice())
    }

    pub fn last(&self, kind: SetKind) -> Option<&[u8]> {
        self.list(kind).last().map(|(_, unit)| unit.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_shared_anew_only_where_they_change() {
        let mut sets = KnownSets::default();
        assert!(sets.take(SetKind::Sps, 0, &[7, 1]) && sets.take(SetKind::Pps, 0, &[8, 1]));
        let first = Arc::clone(sets.shared());
        assert_eq!(*first, ParameterSets { vps: vec![], sps: vec![vec![7, 1]], pps: vec![vec![8, 1]] });
        // The same, or another and the same again.
        assert!(sets.take(SetKind::Sps, 0, &[7, 1]));
        assert!(sets.take(SetKind::Pps, 0, &[8, 2]) && sets.take(SetKind::Pps, 0, &[8, 1]));
        assert!(Arc::ptr_eq(&first, sets.shared()));
        assert!(sets.take(SetKind::Pps, 0, &[8, 2]) && sets.take(SetKind::Pps, 1, &[8, 3]));
        assert_eq!(sets.shared().pps, [[8, 2], [8, 3]]);
        assert_eq!(first.pps, [[8, 1]]);
    }

    #[test]
    fn their_room_is_bounded() {
        let mut sets = KnownSets::default();
        assert!(!sets.take(SetKind::Sps, 0, &vec![7; MAX_BYTES + 1]));
        for id in 0..200 {
            assert!(sets.take(SetKind::Pps, id, &[8, 1]));
        }
        assert_eq!(
            (sets.shared().pps.len(), sets.get(SetKind::Pps, 167), sets.n_bytes),
            (MAX_SETS, None, 2 * MAX_SETS)
        );
        assert!(sets.take(SetKind::Sps, 0, &vec![7; MAX_BYTES - 64]));
        assert!(!sets.take(SetKind::Vps, 0, &[1]));
        assert!(sets.take(SetKind::Sps, 0, &[7]) && sets.take(SetKind::Vps, 0, &[1]));
        assert_eq!(sets.n_bytes, 66);
    }
}
