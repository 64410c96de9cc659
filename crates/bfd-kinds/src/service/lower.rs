use crate::spec::Lower;
use bfd_core::Inputs;

pub(super) fn lower(lower: &mut Lower<'_>) -> Inputs {
    let mut inputs = Inputs::new();
    lower.keep(&mut inputs, &["name"]);
    inputs
}
