//! What the kernel's text asks for memory and output, where it does not ask Linux.

#[repr(C)]
pub struct System {
    /// A new block of so many bytes, all zero: its address, or 0.
    pub take: called!(fn(usize) -> usize),
    /// Gives back the block at this address, of so many bytes.
    pub give: called!(fn(usize, usize)),
    /// Reserves so many bytes, and writes where they are writable, then where they can be run; 0, or the system's error.
    pub map: called!(fn(usize, &mut usize, &mut usize) -> usize),
    /// Gives back one of both mappings: its address, and how many bytes it has.
    pub unmap: called!(fn(usize, usize)),
    /// Lets so many bytes of both mappings be used, from these addresses on; 0 if there is no memory.
    pub commit: called!(fn(usize, usize, usize) -> usize),
    /// Writes to standard output or error: which of them, address and length; 0, or 1 if that fails.
    pub print: called!(fn(usize, usize, usize) -> usize),
}
