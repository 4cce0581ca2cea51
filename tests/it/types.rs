//! What the types of secrets cannot do, found out when this is compiled.

use shared::domain::api_key::ApiKey;
use shared::domain::code::Code;
use shared::domain::totp::Secret;
use shared::vault::keyring::{DataKey, EnvironmentKey};

/// `Probe::<T>::ABLE`: whether a type has a trait. An inherent constant hides a trait's, and is there only where its bound
/// holds.
macro_rules! ability {
    ($name:ident, $bound:path) => {
        mod $name {
            pub(super) struct Probe<T>(std::marker::PhantomData<T>);

            pub(super) trait Otherwise {
                const ABLE: bool = false;
            }

            impl<T> Otherwise for Probe<T> {}

            impl<T: $bound> Probe<T> {
                pub(super) const ABLE: bool = true;
            }
        }
        use $name::Otherwise as _;
    };
}

ability!(equality, PartialEq);
ability!(debug, std::fmt::Debug);
ability!(display, std::fmt::Display);
ability!(serialize, serde::Serialize);

macro_rules! abilities {
    ($type:ty) => {
        [
            equality::Probe::<$type>::ABLE,
            debug::Probe::<$type>::ABLE,
            display::Probe::<$type>::ABLE,
            serialize::Probe::<$type>::ABLE,
        ]
    };
}

#[test]
fn a20_otp_09_sec_09_secrets_have_no_equality_and_nothing_that_shows_them() {
    for (name, able) in [
        ("Code", abilities!(Code)),
        ("Secret", abilities!(Secret)),
        ("ApiKey", abilities!(ApiKey)),
        ("DataKey", abilities!(DataKey)),
        ("EnvironmentKey", abilities!(EnvironmentKey)),
    ] {
        assert_eq!(able, [false; 4], "{name}: ==, Debug, Display, Serialize");
    }
    assert_eq!(abilities!(String), [true; 4], "what is looked for is found");
}
