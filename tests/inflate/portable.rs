//! The runtime's decoder once more, with the inner loops for any machine.

macro_rules! tier {
    ($machine:item $portable:item) => {
        $portable
    };
}

#[path = "../../runtime/src/inflate.rs"]
pub mod inflate;

mod instance {
    pub fn zeros(n: usize) -> Vec<u64> {
        vec![0; n]
    }
}
