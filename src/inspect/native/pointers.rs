//! The pointers which a loader writes into a library: where, and to what. Each format has a list of
//! its own for them, and nothing in a library is known to be a pointer but by that list.

use object::read::macho::{Fixup, MachOFile64};
use object::read::pe::PeFile64;
use object::{BinaryFormat, Endianness, File, Object, ObjectSection, ObjectSegment};
use std::collections::BTreeMap;

/// What is at an address, where the loader writes an address there.
pub(super) type Pointers = BTreeMap<u64, u64>;

/// A forged list may repeat itself for ever.
const POINTERS_MAX: usize = 1 << 22;

/// `None` if the format is unknown, or its list is damaged.
pub(super) fn pointers(file: &File<'_>) -> Option<Pointers> {
    match (file, file.format()) {
        (File::Pe64(file), _) => windows(file),
        (File::MachO64(file), _) => macos(file),
        (_, BinaryFormat::Elf) => elf(file),
        _ => None,
    }
}

fn elf(file: &File<'_>) -> Option<Pointers> {
    let relocations = file.dynamic_relocations()?;
    let relative = relocations.filter_map(|(at, relocation)| {
        let is_relative = relocation.target() == object::RelocationTarget::Absolute;
        is_relative.then(|| (at, relocation.addend() as u64))
    });
    Some(relative.take(POINTERS_MAX).collect())
}

/// The addresses stand in the file, for the place where the library would like to be.
fn windows(file: &PeFile64<'_>) -> Option<Pointers> {
    let base = file.relative_address_base();
    let mut found = Pointers::new();
    let blocks = file.data_directories().relocation_blocks(file.data(), &file.section_table());
    let mut blocks = blocks.ok()??;
    while let Some(block) = blocks.next().ok()? {
        for relocation in block.filter(|found| found.typ == object::pe::IMAGE_REL_BASED_DIR64) {
            let at = base.checked_add(relocation.virtual_address.into())?;
            found.insert(at, word(file, at)?);
        }
    }
    Some(found)
}

/// Either a program that says where the pointers are, which stand in the file as addresses, or chains
/// in which each pointer has the way to the next one within.
fn macos(file: &MachOFile64<'_, Endianness>) -> Option<Pointers> {
    let endian = file.endian();
    let segments: Vec<(u64, &[u8])> =
        file.segments().map(|s| Some((s.address(), s.data().ok()?))).collect::<Option<_>>()?;
    let text = file.segments().find(|s| s.name().is_ok_and(|name| name == Some("__TEXT")))?;
    let mut found = Pointers::new();
    let mut commands = file.macho_load_commands().ok()?;
    while let Some(command) = commands.next().ok()? {
        if let Some(info) = command.dyld_info().ok()? {
            for rebase in info.rebases(endian, file.data(), 8).ok()?.take(POINTERS_MAX) {
                let rebase = rebase.ok()?;
                let (start, _) = segments.get(usize::from(rebase.segment_index))?;
                let at = start.checked_add(rebase.segment_offset)?;
                found.insert(at, word(file, at)?);
            }
        }
        if let Some(chains) = command.dyld_chained_fixups().ok()? {
            let chains = chains.chained_fixups(endian, file.data()).ok()?;
            for chained in chains.segments(endian).ok()? {
                let chained = chained.ok()?;
                let (start, data) = *segments.get(chained.index() as usize)?;
                for fixup in chained.fixups(endian, text.address(), data).take(POINTERS_MAX) {
                    if let (at, Fixup::Rebase(rebase)) = fixup.ok()? {
                        let to = text.address().checked_add(rebase.target_offset)?;
                        found.insert(start.checked_add(at)?, to);
                    }
                }
            }
        }
    }
    Some(found)
}

fn word<'a>(file: &impl Object<'a>, at: u64) -> Option<u64> {
    let bytes = file.sections().find_map(|section| section.data_range(at, 8).ok().flatten())?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
