//! Paths with stars.

/// Whether `path` fits `pattern`, where each `*` stands for any text, slashes included.
pub(crate) fn fits(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(path) = path.strip_prefix(head) else { return false };
    // What follows a star may begin at any place; a star at the end takes all there is.
    rest.is_empty() || path.char_indices().any(|(at, _)| fits(rest, &path[at..])) || fits(rest, "")
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, path) in [
            ("/me", "/me"),
            ("/*", "/me"),
            ("/*", "/"),
            ("*", ""),
            ("/me*", "/me"),
            ("/me*", "/me/order/1"),
            ("/order/cart/*/checkout", "/order/cart/1/checkout"),
            ("/order/*/*/checkout*", "/order/cart/1/checkout"),
            ("/a*b", "/abab"),
        ] {
            assert!(fits(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/me", "/me/"),
            ("/me", "/men"),
            ("/me/*", "/me"),
            ("/order/cart/*/checkout", "/order/cart/1/checkout/2"),
            ("/a*b", "/aba"),
            ("", "/"),
        ] {
            assert!(!fits(pattern, path), "{pattern} {path}");
        }
    }
}
