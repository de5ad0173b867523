//! `Debug` that shows nothing.

/// Implements `Debug` for types by their name alone, `ClientSecret(…)`: they hold a secret, or more
/// than anybody wants to read.
#[macro_export]
macro_rules! opaque_debug {
    ($($name:ident),+) => {$(
        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}
