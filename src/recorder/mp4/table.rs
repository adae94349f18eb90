//! The table of samples of a closed file (ISO/IEC 14496-12, 8.5 to 8.7).

use std::io;
use std::iter;
use std::num::NonZeroU32;

use shiguredo_mp4::boxes::{
    Co64Box, CttsBox, CttsEntry, SampleEntry, StblBox, StcoBox, StscBox, StscEntry, StsdBox, StssBox, StszBox, SttsBox,
};
use shiguredo_mp4::{Either, boxes};

use super::{ClipSample, MAX_SAMPLES, wrong};

/// Players read a chunk at once.
const MAX_CHUNK_BYTES: u64 = 1 << 20;

/// Samples that lie behind each other: where, and how many.
struct Chunk {
    offset: u64,
    end: u64,
    n_samples: u32,
}

fn chunks(samples: &[ClipSample]) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for sample in samples {
        let len = u64::from(sample.len);
        match chunks.last_mut() {
            Some(last) if last.end == sample.offset && last.end - last.offset + len <= MAX_CHUNK_BYTES => {
                last.end += len;
                last.n_samples += 1;
            }
            _ => chunks.push(Chunk { offset: sample.offset, end: sample.offset.saturating_add(len), n_samples: 1 }),
        }
    }
    chunks
}

pub fn write(entry: SampleEntry, samples: &[ClipSample]) -> io::Result<StblBox> {
    let chunks = chunks(samples);
    let mut runs: Vec<StscEntry> = Vec::new();
    for (first_chunk, chunk) in (1..).map_while(NonZeroU32::new).zip(&chunks) {
        if runs.last().is_none_or(|run| run.sample_per_chunk != chunk.n_samples) {
            let sample_description_index = NonZeroU32::MIN;
            runs.push(StscEntry { first_chunk, sample_per_chunk: chunk.n_samples, sample_description_index });
        }
    }
    let mut shifts: Vec<CttsEntry> = Vec::new();
    for sample in samples {
        match shifts.last_mut() {
            Some(last) if last.sample_offset == i64::from(sample.shift) => last.sample_count += 1,
            _ => shifts.push(CttsEntry { sample_count: 1, sample_offset: sample.shift.into() }),
        }
    }
    let keys =
        (1..).map_while(NonZeroU32::new).zip(samples).filter(|(_, sample)| sample.is_key).map(|(number, _)| number);
    let short: Option<Vec<u32>> = chunks.iter().map(|chunk| u32::try_from(chunk.offset).ok()).collect();
    Ok(StblBox {
        stsd_box: StsdBox { entries: vec![entry] },
        stts_box: SttsBox::from_sample_deltas(samples.iter().map(|sample| sample.duration)).map_err(wrong)?,
        ctts_box: samples.iter().any(|sample| sample.shift != 0).then_some(CttsBox { version: 1, entries: shifts }),
        cslg_box: None,
        stsc_box: StscBox { entries: runs },
        stsz_box: StszBox::Variable { entry_sizes: samples.iter().map(|sample| sample.len).collect() },
        stco_or_co64_box: match short {
            Some(chunk_offsets) => Either::A(StcoBox { chunk_offsets }),
            None => Either::B(Co64Box { chunk_offsets: chunks.iter().map(|chunk| chunk.offset).collect() }),
        },
        // Without it all are key pictures.
        stss_box: samples.iter().any(|sample| !sample.is_key).then(|| StssBox { sample_numbers: keys.collect() }),
        sdtp_box: None,
        unknown_boxes: Vec::new(),
    })
}

/// `None` where the parts do not fit together, or there are more samples than we write.
pub fn read(table: &StblBox) -> Option<Vec<ClipSample>> {
    let lens = match &table.stsz_box {
        StszBox::Variable { entry_sizes } => entry_sizes,
        // Not ours.
        StszBox::Fixed { .. } => return None,
    };
    (lens.len() <= MAX_SAMPLES).then_some(())?;
    let durations = table.stts_box.entries.iter().flat_map(|run| repeat(run.sample_delta, run.sample_count));
    let shifts = table.ctts_box.iter().flat_map(|shifts| &shifts.entries);
    let shifts = shifts.flat_map(|run| repeat(i32::try_from(run.sample_offset).unwrap_or(0), run.sample_count));
    let mut offsets = Offsets::new(table);
    let mut keys = table.stss_box.as_ref().map(|keys| keys.sample_numbers.iter().peekable());
    let mut decode: u64 = 0;
    let mut samples = Vec::with_capacity(lens.len());
    for (((number, len), duration), shift) in (1..).zip(lens).zip(durations).zip(shifts.chain(iter::repeat(0))) {
        let is_key = keys.as_mut().is_none_or(|keys| {
            while keys.next_if(|key| key.get() < number).is_some() {}
            keys.next_if(|key| key.get() == number).is_some()
        });
        samples.push(ClipSample { offset: offsets.next(*len)?, len: *len, decode, duration, shift, is_key });
        decode = decode.checked_add(u64::from(duration))?;
    }
    (samples.len() == lens.len()).then_some(samples)
}

fn repeat<T: Clone>(value: T, n: u32) -> iter::RepeatN<T> {
    iter::repeat_n(value, usize::try_from(n).unwrap_or(usize::MAX))
}

/// Where one sample after the other lies.
struct Offsets<'a> {
    chunks: Box<dyn Iterator<Item = u64> + 'a>,
    runs: iter::Peekable<std::slice::Iter<'a, boxes::StscEntry>>,
    n_chunks: u32,
    per_chunk: u32,
    left_in_chunk: u32,
    at: u64,
}

impl<'a> Offsets<'a> {
    fn new(table: &'a StblBox) -> Self {
        let chunks: Box<dyn Iterator<Item = u64> + 'a> = match &table.stco_or_co64_box {
            Either::A(short) => Box::new(short.chunk_offsets.iter().map(|offset| u64::from(*offset))),
            Either::B(long) => Box::new(long.chunk_offsets.iter().copied()),
        };
        let runs = table.stsc_box.entries.iter().peekable();
        Self { chunks, runs, n_chunks: 0, per_chunk: 0, left_in_chunk: 0, at: 0 }
    }

    fn next(&mut self, len: u32) -> Option<u64> {
        if self.left_in_chunk == 0 {
            self.at = self.chunks.next()?;
            self.n_chunks += 1;
            if let Some(run) = self.runs.next_if(|run| run.first_chunk.get() == self.n_chunks) {
                self.per_chunk = run.sample_per_chunk;
            }
            self.left_in_chunk = self.per_chunk;
        }
        self.left_in_chunk = self.left_in_chunk.checked_sub(1)?;
        let at = self.at;
        self.at = self.at.checked_add(u64::from(len))?;
        Some(at)
    }
}
