use bfd_kinds::KindSpec;
/// stub
pub fn reference(_kinds: &[&'static KindSpec]) -> String {
    String::new()
}
