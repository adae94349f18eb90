//! Pictures in memory that both processes see, in slots that are lent.
//!
//! A slot has one owner at a time. The worker owns all of them at first; with the message that a frame has come, its slot passes
//! to the program, which gives it back when the last reader of the picture drops it. Nobody reads what is being written, so
//! that no picture is torn, and the program copies none. Which message says what is no matter of this file (`protocol.rs`).

use std::io;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

use crate::device::shared_memory::{self, SharedMemory};
use crate::frame::{Image, Size};
use crate::lock::Lock;

/// With so few slots left to the worker, a picture is copied and its slot given back at once: readers that hold old
/// pictures for long must not keep new ones from coming.
const LEAST_FREE: usize = 2;

/// So many slots: the newest picture, one that is being shown, one that is being saved, and what the worker needs. Of large
/// pictures there are fewer, and one that is kept is copied sooner.
const MAX_SLOTS: u64 = 6;
const MIN_SLOTS: u64 = 3;
/// All slots together, where more than the fewest fit into it.
const MAX_BYTES: u64 = 256 << 20;
/// Slots that are more than so many times as large as a picture are given back.
const MAX_UNUSED: usize = 4;
/// Slots begin at a page, so that no two share one.
const ALIGNMENT: u64 = 4096;

/// How many slots there are for pictures of so many bytes.
fn slots_of(slot_bytes: u64) -> u64 {
    (MAX_BYTES / slot_bytes.max(1)).clamp(MIN_SLOTS, MAX_SLOTS)
}

/// The program's side. Lives as long as one picture in it.
pub struct Memory {
    pub generation: u32,
    map: MmapRaw,
    /// Until the worker has opened it.
    shared: Lock<Option<SharedMemory>>,
    path: PathBuf,
    slot_bytes: usize,
    /// Which slots the worker owns.
    is_free: Lock<Vec<bool>>,
    give_back: Box<GiveBack>,
}

type GiveBack = dyn Fn(u32) + Send + Sync;

impl Memory {
    /// Room for pictures of up to `n_bytes`. `give_back` tells the worker that it owns a slot again, on whichever thread
    /// dropped the picture: it must not block.
    ///
    /// # Errors
    /// No folder for shared memory has room, or may be written to.
    pub fn new(
        generation: u32,
        n_bytes: u64,
        give_back: impl Fn(u32) + Send + Sync + 'static,
    ) -> io::Result<Arc<Self>> {
        let slot_bytes = n_bytes.next_multiple_of(ALIGNMENT);
        let n_slots = slots_of(slot_bytes);
        let shared = shared_memory::create(slot_bytes * n_slots)?;
        let map = MmapOptions::new().map_raw(&shared.file)?;
        let path = shared.path.clone();
        Ok(Arc::new(Self {
            generation,
            map,
            shared: Lock::new(Some(shared)),
            path,
            slot_bytes: usize::try_from(slot_bytes).map_err(io::Error::other)?,
            is_free: Lock::new(vec![true; usize::try_from(n_slots).map_err(io::Error::other)?]),
            give_back: Box::new(give_back),
        }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn slot_bytes(&self) -> u64 {
        self.slot_bytes as u64
    }

    pub fn n_slots(&self) -> u32 {
        let n_slots = self.is_free.lock().len();
        u32::try_from(n_slots).unwrap_or(u32::MAX)
    }

    /// The worker has the memory too: nobody else shall.
    pub fn on_shared(&self) {
        drop(self.shared.lock().take());
    }

    /// The picture that the worker says lies in `slot`.
    ///
    /// # Errors
    /// It cannot lie there. The numbers are checked here, since they come from a process that a driver may have damaged.
    pub fn take(self: &Arc<Self>, slot: u32, size: Size) -> Result<Image, String> {
        if size.n_bytes() > self.slot_bytes {
            return Err(format!("a picture of {size} in a slot of {} bytes", self.slot_bytes));
        }
        let n_free = {
            let mut is_free = self.is_free.lock();
            match is_free.get_mut(slot as usize) {
                Some(is_free) if *is_free => *is_free = false,
                Some(_) => return Err(format!("slot {slot}, which is not its own")),
                None => return Err(format!("slot {slot} of {}", is_free.len())),
            }
            is_free.iter().filter(|is_free| **is_free).count()
        };
        let lent = LentSlot { memory: Arc::clone(self), slot, n_bytes: size.n_bytes() };
        let image = if n_free < LEAST_FREE { Image::new(size, lent.as_ref().to_vec()) } else { Image::new(size, lent) };
        image.ok_or_else(|| "a picture without pixels".to_owned())
    }
}

/// The pixels in a slot. Dropping it gives the slot back.
struct LentSlot {
    memory: Arc<Memory>,
    slot: u32,
    n_bytes: usize,
}

impl AsRef<[u8]> for LentSlot {
    fn as_ref(&self) -> &[u8] {
        let offset = self.slot as usize * self.memory.slot_bytes;
        // SAFETY: `Memory::take` has checked that the slot lies within the mapping and `n_bytes` within the slot. The
        // mapping lives as long as `memory`. The worker does not write to a slot that it does not own; a worker that breaks
        // this rule spoils a picture, whose bytes have no meaning to the program but their colour.
        #[expect(unsafe_code, reason = "the shared mapping")]
        unsafe {
            slice::from_raw_parts(self.memory.map.as_ptr().add(offset), self.n_bytes)
        }
    }
}

impl Drop for LentSlot {
    fn drop(&mut self) {
        let mut is_free = self.memory.is_free.lock();
        if let Some(is_free) = is_free.get_mut(self.slot as usize) {
            *is_free = true;
        }
        drop(is_free);
        (self.memory.give_back)(self.slot);
    }
}

/// The worker's side.
pub struct WorkerMemory {
    pub generation: u32,
    map: memmap2::MmapMut,
    slot_bytes: usize,
    free: Vec<u32>,
}

impl WorkerMemory {
    /// # Errors
    /// The file cannot be opened or is too short.
    pub fn open(generation: u32, file: &Path, n_slots: u32, slot_bytes: u64) -> io::Result<Self> {
        let file = shared_memory::open(file)?;
        let n_bytes = u64::from(n_slots) * slot_bytes;
        if file.metadata()?.len() < n_bytes {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the shared memory is too short"));
        }
        let n_bytes = usize::try_from(n_bytes).map_err(io::Error::other)?;
        // SAFETY: the program does not touch a slot that the worker owns, and `slot` hands out no other.
        #[expect(unsafe_code, reason = "the shared mapping")]
        let map = unsafe { MmapOptions::new().len(n_bytes).map_mut(&file)? };
        let slot_bytes = usize::try_from(slot_bytes).map_err(io::Error::other)?;
        Ok(Self { generation, map, slot_bytes, free: (0..n_slots).rev().collect() })
    }

    /// Whether it is large enough for such pictures, and not so large that most of it would lie unused.
    pub fn suits(&self, n_bytes: usize) -> bool {
        (self.slot_bytes / MAX_UNUSED..=self.slot_bytes).contains(&n_bytes)
    }

    pub fn on_given_back(&mut self, generation: u32, slot: u32) {
        if generation == self.generation && !self.free.contains(&slot) {
            self.free.push(slot);
        }
    }

    /// Has `fill` put so many bytes into a slot, which passes to the program with the number returned if that went well.
    /// `None` when no slot is free or large enough, or `fill` gives none.
    pub fn fill<E>(
        &mut self,
        n_bytes: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<Result<(), E>>,
    ) -> Option<Result<u32, E>> {
        let slot = *self.free.last()?;
        let offset = slot as usize * self.slot_bytes;
        let room = self.map.get_mut(offset..offset + n_bytes.min(self.slot_bytes))?;
        let filled = if room.len() == n_bytes { fill(room)? } else { return None };
        Some(filled.map(|()| {
            self.free.pop();
            slot
        }))
    }

    /// Puts pixels into a slot, which passes to the program with the number returned. `None` when there is none free.
    pub fn put(&mut self, pixels: &[u8]) -> Option<u32> {
        let slot = self.free.pop()?;
        let offset = slot as usize * self.slot_bytes;
        self.map.get_mut(offset..offset + pixels.len())?.copy_from_slice(pixels);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SIZE: Size = Size { width: 4, height: 2 };

    #[test]
    fn a_slot_is_lent_until_its_last_reader_is_gone() {
        let (sender, given_back) = mpsc::channel();
        let memory = Memory::new(1, SIZE.n_bytes() as u64, move |slot| sender.send(slot).unwrap()).unwrap();
        let mut worker = WorkerMemory::open(1, memory.path(), memory.n_slots(), memory.slot_bytes()).unwrap();
        memory.on_shared();

        let slot = worker.put(&[7; 24]).unwrap();
        let image = memory.take(slot, SIZE).unwrap();
        let other = image.clone();
        assert_eq!(image.pixels(), [7; 24]);
        drop(image);
        assert!(given_back.try_recv().is_err());
        drop(other);
        assert_eq!(given_back.try_recv(), Ok(slot));

        // Readers that hold on to pictures get copies when slots run short: the worker always has one.
        worker.on_given_back(1, slot);
        let held: Vec<_> = (0..20)
            .map(|n| {
                let slot = worker.put(&[n; 24]).unwrap();
                let image = memory.take(slot, SIZE).unwrap();
                for slot in given_back.try_iter() {
                    worker.on_given_back(1, slot);
                }
                image
            })
            .collect();
        assert!((0..20).zip(&held).all(|(n, image)| image.pixels() == [n; 24]));
    }

    #[test]
    fn a_slot_that_was_not_filled_stays_free() {
        let memory = Memory::new(1, SIZE.n_bytes() as u64, |_| {}).unwrap();
        let mut worker = WorkerMemory::open(1, memory.path(), memory.n_slots(), memory.slot_bytes()).unwrap();
        assert_eq!(worker.fill::<()>(24, |_| None), None);
        assert_eq!(worker.fill(24, |_| Some(Err("damaged"))), Some(Err("damaged")));
        assert_eq!(worker.fill::<()>(1 << 20, |_| panic!("there is no such room")), None);
        for _ in 0..memory.n_slots() {
            let slot = worker.fill::<()>(24, |room| {
                room.fill(9);
                Some(Ok(()))
            });
            assert_eq!(memory.take(slot.unwrap().unwrap(), SIZE).unwrap().pixels(), [9; 24]);
        }
        assert_eq!(worker.fill::<()>(24, |_| Some(Ok(()))), None, "none is left");
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let memory = Memory::new(1, SIZE.n_bytes() as u64, |_| {}).unwrap();
        let taken = memory.take(0, SIZE).unwrap();
        assert!(memory.take(0, SIZE).is_err(), "it is lent already");
        assert!(memory.take(memory.n_slots(), SIZE).is_err());
        assert!(memory.take(1, Size { width: 16_000, height: 16_000 }).is_err());
        drop(taken);
        assert!(memory.take(0, SIZE).is_ok());
        assert!(WorkerMemory::open(1, memory.path(), 1_000_000, memory.slot_bytes()).is_err());
    }

    #[test]
    fn large_pictures_have_fewer_slots() {
        for (mib, n_slots) in [(0, 6), (1, 6), (25, 6), (42, 6), (64, 4), (100, 3), (512, 3)] {
            assert_eq!(slots_of(mib << 20), n_slots, "{mib} MiB");
        }
    }

    #[test]
    fn nothing_is_left_behind() {
        let memory = Memory::new(1, 1, |_| {}).unwrap();
        drop(shared_memory::open(memory.path()).unwrap());
        let image = memory.take(0, Size { width: 1, height: 1 }).unwrap();
        memory.on_shared();
        assert!(shared_memory::open(memory.path()).is_err());
        assert_eq!(image.pixels(), [0; 3]);
    }

    /// Reading behind the end of a file ends the program.
    #[test]
    #[cfg(any(target_os = "linux", target_os = "macos", windows))]
    fn nobody_makes_it_smaller() {
        let memory = Memory::new(1, 4 * ALIGNMENT, |_| {}).unwrap();
        let opened = shared_memory::open(memory.path()).unwrap();
        let n_bytes = memory.slot_bytes() * u64::from(memory.n_slots());
        for shorter in [0, ALIGNMENT, n_bytes - 1] {
            assert!(opened.set_len(shorter).is_err(), "{shorter}");
        }
        assert_eq!(memory.take(0, SIZE).unwrap().pixels(), [0; 24]);
    }
}
