//! The name that two routes with one method and path both claim, so that the compiler shows both places.

/// `route_already_registered__POST__v1_embeddings`: readable, and different for different paths.
pub(super) fn macro_name(method: &str, path: &str) -> String {
    let plain = path.chars().all(|character| character.is_ascii_alphanumeric() || character == '/');
    let readable: String = path
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '_' })
        .collect();
    let name = format!("route_already_registered__{method}_{readable}");
    // What is no letter, digit or slash reads as `_` too; a hash of the path keeps such names apart.
    if plain { name } else { format!("{}__{:08x}", name.trim_end_matches('_'), hash(path)) }
}

/// FNV-1a, 32 bits.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The symbol that two crates with one method and path both export: the linker's message is its text.
pub(super) fn symbol(method: &str, path: &str) -> String {
    format!("tabagent route already registered: {method} {path}")
}

#[cfg(test)]
mod tests {
    use super::macro_name;

    #[test]
    fn names_differ_where_paths_do() {
        let paths = ["/v1/a-b", "/v1/a_b", "/v1/a/b", "/v1/{a}/b", "/v1/{b}/a", "/v1/a", "/", "/a_", "/a"];
        let names: std::collections::BTreeSet<_> = paths.iter().map(|path| macro_name("GET", path)).collect();
        assert_eq!(names.len(), paths.len());
        assert_eq!(macro_name("POST", "/v1/embeddings"), "route_already_registered__POST__v1_embeddings");
    }
}
